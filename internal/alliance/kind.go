package alliance

import (
	"context"
	"slices"
	"strings"

	"yilian/internal/calendar"
	"yilian/internal/db"
	"yilian/internal/errs"
	"yilian/internal/organization"
	"yilian/internal/policy"
	"yilian/internal/region"
)

// Yes is a yes or no of the policy with the clause it rests on.
type Yes struct {
	Is     bool
	Clause string
}

// Word is a word of the policy with the clause it rests on.
type Word struct{ Text, Clause string }

// Rules are what the policy says about one kind of alliance at one place on
// one day: nothing about a kind stands in code but its name.
type Rules struct {
	Kind           Kind
	Place          policy.Place
	Tight          Yes
	Exclusive      Yes // one such alliance for an area and a day (X4)
	Independent    Yes // members keep their legal-person status
	Ownership      Yes // ownership and funding channels stay as they were
	PrivateJoin    Yes
	PrivateLead    Yes
	LinkArea       Yes  // a link institution must have an area
	Representative Word // shared: one legal representative; own: each its own (X3)
	Provincial     Word // exception: a provincial hospital leads only with approvals (X9)
	Plate          Word // format of the added plate, "" none
	Eligible       []policy.Code
	LinkEligible   []policy.Code
	Organs         []policy.Code
	Optional       []policy.Code // organs that may be
	Documents      []policy.Code
	Parts          []policy.Code // of the charter
	Offices        []policy.Code
	Unified        []policy.Code
	Unchanged      []string // what stays as it was for the members
	UnchangedBy    string   // clause of Unchanged
	Targets        []policy.TargetAnswer
}

// The words of the policy.
const (
	Shared    = "shared"
	Own       = "own"
	Exception = "exception"
)

// RulesAt resolves the rules of a kind at a place on a day; what no profile
// settles stays empty.
func RulesAt(book *policy.Book, at policy.Place, day calendar.Date) Rules {
	q := asker{book, at, day}
	r := Rules{
		Kind: Kind(at.Kind), Place: at,
		Tight: q.yes("alliance.tight"), Exclusive: q.yes("alliance.exclusive"), Independent: q.yes("alliance.member.independent"),
		Ownership: q.yes("alliance.member.ownership_kept"), PrivateJoin: q.yes("alliance.private.join"), PrivateLead: q.yes("alliance.private.lead"),
		LinkArea: q.yes("alliance.link.area.required"), Representative: q.word("alliance.legal_representative"),
		Provincial: q.word("alliance.lead.provincial"), Plate: q.word("alliance.plate.format"),
		Eligible: q.codes("alliance.lead.eligible"), LinkEligible: q.codes("alliance.link.eligible"),
		Organs: q.codes("alliance.organs"), Optional: q.codes("alliance.organs.optional"), Documents: q.codes("alliance.documents"),
		Parts: q.codes("alliance.charter.parts"), Offices: q.codes("alliance.offices"), Unified: q.codes("alliance.unified"),
		Targets: book.Targets(at, day),
	}
	if a, err := book.Resolve("alliance.member.unchanged", at, day); err == nil {
		r.Unchanged, _ = a.Strings()
		r.UnchangedBy = a.Clause
	}
	r.Optional = slices.DeleteFunc(r.Optional, func(c policy.Code) bool {
		return slices.ContainsFunc(r.Organs, func(o policy.Code) bool { return o.Code == c.Code })
	})
	return r
}

// asker asks the book at one place on one day.
type asker struct {
	book *policy.Book
	at   policy.Place
	day  calendar.Date
}

func (q asker) yes(key string) Yes {
	a, err := q.book.Resolve(key, q.at, q.day)
	if err != nil {
		return Yes{}
	}
	return Yes{a.Value.Bool, a.Clause}
}

func (q asker) word(key string) Word {
	a, err := q.book.Resolve(key, q.at, q.day)
	if err != nil {
		return Word{}
	}
	return Word{a.Value.Text, a.Clause}
}

func (q asker) codes(key string) []policy.Code {
	a, err := q.book.Resolve(key, q.at, q.day)
	if err != nil {
		return nil
	}
	list, _ := a.Codes() // a wrong type is refused when the profile is loaded
	return list
}

// Place is whose rules bind an alliance: the regions of the area it serves and
// its kind.
func Place(ctx context.Context, tx *db.Tx, a Alliance) (policy.Place, error) {
	chain, err := region.Chain(ctx, tx, a.Region)
	return policy.Place{Regions: chain, Kind: string(a.Kind)}, err
}

// KindTitles returns what the kinds are called at a place on a day: a profile
// may have its own names (ZZ-2.1a says 综合医联体).
func KindTitles(book *policy.Book, at policy.Place, day calendar.Date) map[Kind]string {
	out := map[Kind]string{}
	for _, k := range Kinds() {
		out[k] = k.Title()
	}
	for _, c := range (asker{book, at, day}).codes("alliance.kinds") {
		out[Kind(c.Code)] = c.Title
	}
	return out
}

// Candidate is an institution that would lead or link, with what the rules of
// eligibility look at.
type Candidate struct {
	Org       organization.Organization
	Authority region.Level // level of the authority it belongs to (所属)
	Leads     bool         // leads another alliance on that day
	Excepted  bool         // an approved exception stands for it
}

func (c Candidate) level(prefix string) bool { return strings.HasPrefix(c.Org.Level, prefix) }
func (c Candidate) public() bool             { return c.Org.Ownership == organization.Public }

// tests says for each code of alliance.lead.eligible and alliance.link.eligible
// who answers to it. What only people can judge (a strong specialty) asks for a
// hospital and leaves the rest to the charter's evidence.
var tests = map[string]func(c Candidate) bool{
	"tertiary_public":     func(c Candidate) bool { return c.level("三级") && c.public() },
	"tertiary_general":    func(c Candidate) bool { return c.level("三级") && c.public() && c.Org.Kind.General() },
	"tertiary_tcm":        func(c Candidate) bool { return c.level("三级") && c.Org.Kind == organization.TCMHospital },
	"strong_hospital":     func(c Candidate) bool { return c.public() },
	"strong_specialty":    func(Candidate) bool { return true },
	"public_hospital":     func(c Candidate) bool { return c.public() },
	"county_hospital":     func(c Candidate) bool { return c.public() && c.Authority == region.County },
	"county_public":       func(c Candidate) bool { return c.public() && c.Authority == region.County },
	"district_public":     func(c Candidate) bool { return c.public() && c.Authority == region.County },
	"city_hospital":       func(c Candidate) bool { return c.public() && c.Authority == region.City },
	"city_center":         func(c Candidate) bool { return c.public() && c.Authority == region.City },
	"provincial_hospital": func(c Candidate) bool { return c.public() && c.Authority == region.Province },
	"private_secondary":   func(c Candidate) bool { return !c.public() && (c.level("二级") || c.level("三级")) },
	"alliance_lead":       func(c Candidate) bool { return c.Leads },
	"city_tertiary_specialty": func(c Candidate) bool {
		return c.Authority == region.City && c.level("三级") && !c.Org.Kind.General()
	},
}

// Answers reports whether the candidate answers to one of the codes.
func (c Candidate) Answers(codes []policy.Code) bool {
	return c.Org.Kind.Hospital() && slices.ContainsFunc(codes, func(x policy.Code) bool {
		test := tests[x.Code]
		return test != nil && test(c)
	})
}

// MayLead says why an institution may not lead an alliance of these rules, or
// nil: GB-2.1 to 2.4, JS-4.1.1 to 4.1.5, X9.
func (r Rules) MayLead(c Candidate) error {
	if c.Authority == region.Province && r.Tight.Is && r.Provincial.Text == Exception {
		if c.Excepted {
			return nil
		}
		return errs.Refused(errs.Invalid, r.Provincial.Clause,
			"“%s”是省属省管医院，原则上不牵头紧密型医联体（%s）。已建成、富有成效的，请先在“例外登记”中写明依据，经所在设区市和省两级同意后再登记", c.Org.Short(), r.Provincial.Clause)
	}
	if len(r.Eligible) == 0 {
		if c.Org.Kind.Hospital() {
			return nil
		}
		return errs.E(errs.Invalid, "“%s”不是医院，不能牵头%s", c.Org.Short(), r.Kind.Title())
	}
	if c.Answers(r.Eligible) {
		return nil
	}
	titles, clause := make([]string, len(r.Eligible)), r.Eligible[0].Clause
	for i, e := range r.Eligible {
		titles[i] = e.Title
	}
	return errs.Refused(errs.Invalid, clause, "“%s”不能牵头%s：应由%s牵头（%s）", c.Org.Short(), r.Kind.Title(), strings.Join(titles, "、"), policy.ClauseTitle(clause))
}

// MayJoin says why an institution may not become a member, or nil (JS-4.1.5,
// SMX-4.1.1: private providers may join where the policy says so).
func (r Rules) MayJoin(o organization.Organization) error {
	if !o.Active {
		return errs.E(errs.Invalid, "“%s”已停用，不能加入医联体", o.Short())
	}
	if o.Kind == organization.Bureau || o.Kind == organization.Insurer {
		return errs.E(errs.Invalid, "“%s”是管理机构，不是医疗卫生机构，不能作为成员单位", o.Short())
	}
	if o.Ownership == organization.Private && r.PrivateJoin.Clause != "" && !r.PrivateJoin.Is {
		return errs.Refused(errs.Invalid, r.PrivateJoin.Clause, "“%s”是民营机构，本地不接纳民营机构加入（%s）", o.Short(), r.PrivateJoin.Clause)
	}
	return nil
}

// KnowsEligibility reports whether a code of a profile can be judged.
func KnowsEligibility(code string) bool { return tests[code] != nil }
