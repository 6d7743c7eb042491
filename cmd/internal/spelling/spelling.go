// Package spelling finds the word that was probably meant.
package spelling

import "fmt"

// Nearest returns the candidate with the smallest Distance to word, the first
// of equally near ones; "" if none is within maxDistance.
func Nearest(word string, candidates []string, maxDistance int) string {
	best, least := "", maxDistance+1
	for _, candidate := range candidates {
		if d := Distance(word, candidate); d < least {
			best, least = candidate, d
		}
	}
	return best
}

// Distance is the number of octets to insert, delete or replace, or of
// neighbours to swap, to turn a into b (optimal string alignment).
func Distance(a, b string) int {
	before, last := make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row := make([]int, len(b)+1)
		row[0] = i
		for j := 1; j <= len(b); j++ {
			replace := last[j-1]
			if a[i-1] != b[j-1] {
				replace++
			}
			row[j] = min(last[j]+1, row[j-1]+1, replace)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, last = last, row
	}
	return last[len(b)]
}

// Suggest returns the end of an error message with the candidate that was
// probably meant, or "" if none is near.
func Suggest(word string, candidates []string) string {
	near := Nearest(word, candidates, len(word)/3+1) // with more slips it is another word
	if near == "" {
		return ""
	}
	return fmt.Sprintf("; did you mean %q?", near)
}
