// Package insurance estimates what a patient pays himself in the places that he
// can go to (GB-5.2a, JS-5.2a: reimbursement differs by tier). Rates and
// deductibles are data of a profile; no document that the product ships names
// any, and where a profile has none nothing is estimated. All amounts are fen.
package insurance

import (
	"errors"

	"yilian/internal/calendar"
	"yilian/internal/errs"
	"yilian/internal/patient"
	"yilian/internal/policy"
)

// Level is the tier of an institution as the insurance tells them apart.
type Level string

// The levels.
const (
	Township Level = "township"
	County   Level = "county"
	City     Level = "city"
)

// Title is the level in Chinese.
func (l Level) Title() string {
	return map[Level]string{Township: "乡级（一级）", County: "县级（二级）", City: "市级（三级）"}[l]
}

// LevelOf is the level of an institution's tier: 1 village, 2 township or
// community, 3 county, 4 city and above.
func LevelOf(tier int) Level {
	switch {
	case tier <= 2:
		return Township
	case tier == 3:
		return County
	}
	return City
}

// Caveat stands beside every estimate.
const Caveat = "估算，以医保结算为准：只按起付线和政策范围内比例计算，不含目录外费用、封顶线、大病保险和医疗救助"

// scheme is whose table a kind of insurance goes by: medical aid comes on top of
// the resident's insurance.
func scheme(kind string) string {
	switch kind {
	case patient.Resident, patient.MedicalAid:
		return patient.Resident
	case patient.UrbanEmployee:
		return patient.UrbanEmployee
	}
	return ""
}

// Share is the estimate for one level.
type Share struct {
	Level         Level
	CostFen       int64
	Typical       bool // the cost is the table's typical one, not typed
	DeductibleFen int64
	Percent       int64 // reimbursed of what is above the deductible
	OwnFen        int64
	Clause        string
	Document      string
}

// ErrNoTable says that no profile has a table for the place, the kind of
// insurance or the level: nothing is estimated.
var ErrNoTable = errors.New("no table of shares")

// Estimate returns the patient's share of an in-patient stay at a level. A cost
// of zero means the table's typical cost. ErrNoTable where there is nothing to
// estimate with.
func Estimate(book *policy.Book, at policy.Place, day calendar.Date, kind string, l Level, costFen int64) (Share, error) {
	s := scheme(kind)
	if s == "" {
		return Share{}, ErrNoTable
	}
	out := Share{Level: l, CostFen: costFen}
	read := func(key string, into *int64) (policy.Answer, error) {
		a, err := book.Resolve(key, at, day)
		if errs.Is(err, errs.NotFound) {
			return a, ErrNoTable
		}
		if err != nil {
			return a, err
		}
		*into, err = a.Int()
		return a, err
	}
	rate, err := read("insurance.rate."+s+"."+string(l), &out.Percent)
	if err != nil {
		return Share{}, err
	}
	if _, err := read("insurance.deductible."+s+"."+string(l), &out.DeductibleFen); err != nil {
		return Share{}, err
	}
	if costFen == 0 {
		if _, err := read("insurance.typical."+string(l), &out.CostFen); err != nil {
			return Share{}, err
		}
		out.Typical = true
	}
	out.OwnFen = Own(out.CostFen, out.DeductibleFen, out.Percent)
	out.Clause, out.Document = rate.Clause, rate.Document
	return out, nil
}

// Own is what the patient pays of a cost: everything up to the deductible, and
// of the rest what is not reimbursed, rounded up to the fen.
func Own(cost, deductible, percent int64) int64 {
	if cost <= deductible {
		return cost
	}
	rest := cost - deductible
	paid := rest / 100 * percent
	paid += rest % 100 * percent / 100
	return cost - paid
}

// Regions is the chain of jurisdictions of an insured place, specific first; nil
// when it is not known.
func Regions(place string) []string {
	if len(place) < 2 {
		return nil
	}
	var out []string
	for _, n := range []int{6, 4, 2} {
		if len(place) >= n {
			out = append(out, place[:n])
		}
	}
	return append(out, "CN")
}
