package simulate

import (
	_ "embed"
	"encoding/csv"
	"strconv"
	"strings"
	"sync"
)

//go:embed cases.csv
var casesCSV string

// vignette is one plausible course: who comes with what, where he is sent,
// what is found and done. All invented.
type vignette struct {
	code, sex                          string
	minAge, maxAge                     int
	urgency, org, department           string
	purpose, indication                string
	chief, illness, past, treatment    string
	result, exams, therapy, plan, care string
}

// vignettes reads the table once; it is part of the program and tested.
var vignettes = sync.OnceValue(func() []vignette {
	rows, err := csv.NewReader(strings.NewReader(casesCSV)).ReadAll()
	if err != nil {
		panic("simulate: cases.csv: " + err.Error())
	}
	var out []vignette
	for _, r := range rows[1:] {
		lo, err1 := strconv.Atoi(r[2])
		hi, err2 := strconv.Atoi(r[3])
		if err1 != nil || err2 != nil {
			panic("simulate: cases.csv: bad age in " + r[0])
		}
		out = append(out, vignette{
			code: r[0], sex: strings.Trim(r[1], "0"), minAge: lo, maxAge: hi, urgency: r[4], org: r[5], department: r[6],
			purpose: r[7], indication: r[8], chief: r[9], illness: r[10], past: r[11], treatment: r[12],
			result: r[13], exams: r[14], therapy: r[15], plan: r[16], care: r[17],
		})
	}
	return out
})
