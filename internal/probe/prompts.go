package probe

import "math/rand/v2"

// questions are what the probe asks: such as people ask, of many kinds, and each asks
// for more than a line, so that answers overlap.
var questions = [...]string{
	"Explain how a suspension bridge carries its load, from the deck to the anchors.",
	"Write a short story about a lighthouse keeper who receives a letter meant for somebody else.",
	"What should I look at when I buy a used bicycle? Please be thorough.",
	"Describe how a Go program starts a goroutine and what the scheduler does with it.",
	"Give me a plan for a vegetable garden of twenty square metres in a cool climate.",
	"Compare quicksort and mergesort: memory, worst cases, and when to use which.",
	"How did people keep food from spoiling before there were refrigerators?",
	"Write a polite letter to a neighbour about noise late in the evening.",
	"What happens between typing an address into a browser and seeing the page?",
	"Tell me about the history of the potato in Europe.",
	"I have two free days in Lisbon. What would you do, hour by hour?",
	"Explain what an index in a database is to somebody who knows spreadsheets.",
	"Write a recipe for a lentil soup, with variations for what is in the kitchen.",
	"Why is the sky blue at noon and red in the evening?",
	"Show a small Python program that counts the words of a file, and explain each line.",
	"What are the duties of a river authority when the water rises?",
	"Summarise the rules of chess for a child of eight years.",
	"How do I find a memory leak in a long-running service?",
	"Write a dialogue between a baker and a customer who wants yesterday's bread.",
	"Which exercises help somebody who sits at a desk all day, and how often?",
	"Explain compound interest with two worked examples.",
	"How do bees decide where the new hive will be?",
	"Draft the agenda of a first meeting of a reading club, and say why each point is there.",
	"What is the difference between a process and a thread? Give examples.",
	"Describe a walk through a forest in late October.",
	"How is paper made, from the tree to the sheet?",
	"Write a shell script that makes a dated backup of a directory, and explain it.",
	"What makes a good question in a job interview, and what makes a bad one?",
	"Tell me how tides come about, and why there are two a day.",
	"Suggest names for a small shop that repairs clocks, each with a sentence why.",
	"How would you test a function that parses dates?",
	"Explain the offside rule in football, with the cases that people get wrong.",
}

// A stack deals questions: each once before one comes again.
type stack struct {
	random *rand.Rand
	left   []int
}

func (s *stack) deal() string {
	if len(s.left) == 0 {
		s.left = s.random.Perm(len(questions))
	}
	q := questions[s.left[0]]
	s.left = s.left[1:]
	return q
}
