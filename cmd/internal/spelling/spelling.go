// Package spelling finds the word that was probably meant.
package spelling

// Nearest returns the word of among that takes the fewest slips to become
// word, and no more than most of them; "" if there is none. Of equally near
// ones it is the first.
func Nearest(word string, among []string, most int) string {
	best, least := "", most+1
	for _, candidate := range among {
		if d := Slips(word, candidate); d < least {
			best, least = candidate, d
		}
	}
	return best
}

// Slips counts the letters that have to be added, dropped or replaced, or
// swapped with their neighbour, to make b of a.
func Slips(a, b string) int {
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
