package linkage

import (
	"encoding/json"
	"fmt"
	"io"
	"math"

	"yilian/internal/calendar"
	"yilian/internal/patient/match"
)

// learnSeed draws the set that the shipped weights are learnt from; no measure
// uses it.
const learnSeed = 20261127

// limits are where the model decides. They were chosen on a set of its own: 6
// bits are odds of 64 to 1 among the candidates of a statement.
var limits = match.Limits{Link: 6, Review: 1, Margin: 3}

// WriteWeights learns the weights anew and writes them as the program ships
// them.
func WriteWeights(w io.Writer, n, m int, today calendar.Date) error {
	weights := Learn(NewSet(learnSeed, n, m, today), limits,
		fmt.Sprintf("%d invented residents of Lingling and %d statements, by expectation and maximisation, seed %d", n, m, learnSeed))
	for _, class := range weights.Model.P {
		for _, field := range class {
			for l := range field {
				field[l] = math.Round(field[l]*1e7) / 1e7
			}
		}
	}
	e := json.NewEncoder(w)
	e.SetIndent("", "\t")
	return e.Encode(weights)
}
