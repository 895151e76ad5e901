package config

import "github.com/alecthomas/kong"

// Model is the command line as kong sees it.
func Model() (*kong.Application, error) {
	parser, err := newParser(new(CLI), nil, new(faults))
	if err != nil {
		return nil, err
	}
	return parser.Model, nil
}

// Within says whether the text of a quantity is inside the bounds of a range tag.
func Within(text, bounds string) (bool, error) {
	n, err := quantity(text)
	if err != nil {
		return false, err
	}
	return within(n, bounds)
}

var LooksRandom = looksRandom
