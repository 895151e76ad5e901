package profile

// What the tests of pictures know of the inside.
var (
	Drawn       = drawn
	Orientation = orientation
)

// What they look for.
const (
	MaxPicture = maxPicture
	MaxScans   = maxScans
)
