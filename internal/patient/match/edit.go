package match

// Edits returns the number of insertions, deletions, changes and transpositions
// of neighbours between two texts, at most limit+1.
func Edits(a, b string, limit int) int {
	x, y := []rune(a), []rune(b)
	if d := len(x) - len(y); d > limit || -d > limit {
		return limit + 1
	}
	before, last, row := make([]int, len(y)+1), make([]int, len(y)+1), make([]int, len(y)+1)
	for j := range last {
		last[j] = j
	}
	for i := 1; i <= len(x); i++ {
		row[0] = i
		for j := 1; j <= len(y); j++ {
			cost := 1
			if x[i-1] == y[j-1] {
				cost = 0
			}
			row[j] = min(last[j]+1, row[j-1]+1, last[j-1]+cost)
			if i > 1 && j > 1 && x[i-1] == y[j-2] && x[i-2] == y[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, last, row = last, row, before
	}
	return min(last[len(y)], limit+1)
}

// Winkler is the Jaro–Winkler similarity of two texts, 0 to 1.
func Winkler(a, b string) float64 {
	x, y := []rune(a), []rune(b)
	if len(x) == 0 || len(y) == 0 {
		return 0
	}
	matched, half := jaroMatches(x, y)
	if matched == 0 {
		return 0
	}
	m := float64(matched)
	jaro := (m/float64(len(x)) + m/float64(len(y)) + (m-float64(half)/2)/m) / 3
	prefix := 0
	for prefix < 4 && prefix < len(x) && prefix < len(y) && x[prefix] == y[prefix] {
		prefix++
	}
	return jaro + float64(prefix)*0.1*(1-jaro)
}

// jaroMatches counts the runes that match within the window, and how many of
// them stand in another order.
func jaroMatches(x, y []rune) (matched, displaced int) {
	window := max(len(x), len(y))/2 - 1
	usedX, usedY := make([]bool, len(x)), make([]bool, len(y))
	for i, r := range x {
		for j := max(0, i-window); j < min(len(y), i+window+1); j++ {
			if !usedY[j] && y[j] == r {
				usedX[i], usedY[j] = true, true
				matched++
				break
			}
		}
	}
	j := 0
	for i, r := range x {
		if !usedX[i] {
			continue
		}
		for !usedY[j] {
			j++
		}
		if y[j] != r {
			displaced++
		}
		j++
	}
	return matched, displaced
}
