package auditweb

import (
	"testing"

	"yilian/internal/audit"
)

// Every step of every such case is named, and so is every state it leads to.
func TestEveryStepOfACaseIsNamed(t *testing.T) {
	for kind, m := range machines {
		if objectTitle(kind) == "其他" {
			t.Errorf("%s: no title", kind)
		}
		for step := range steps {
			if stepTitle(kind+"."+step) == "" {
				t.Errorf("%s.%s: no title", kind, step)
			}
		}
		for _, a := range m.Actions {
			if stepTitle(kind+"."+a.Name) == "" {
				t.Errorf("%s.%s: no title", kind, a.Name)
			}
		}
		for _, s := range m.States {
			if stateTitle(kind, s.Name) != s.Title {
				t.Errorf("%s: state %s has no title", kind, s.Name)
			}
		}
	}
	l := audit.Leaf{Action: "filing.send", Object: "filing", Detail: "preparing→city"}
	if actionTitle(l) != "备案：报送" || detail(l) == "" {
		t.Errorf("%q %q", actionTitle(l), detail(l))
	}
	if got := actionTitle(audit.Leaf{Action: "filing.unheard_of", Object: "filing"}); got != "操作备案" {
		t.Errorf("a step without a name shows %q", got)
	}
}
