package console

import (
	"fmt"
	"image/color"
	"strings"

	"github.com/boombuler/barcode/qr"
)

// quiet is how many light modules are around a QR code (ISO/IEC 18004 §9.1).
const quiet = 4

// barcode is a QR code to be drawn in a square of Size units: Path is the outline of its dark modules in SVG's terms.
type barcode struct {
	Size int
	Path string
}

func newBarcode(text string) (*barcode, error) {
	code, err := qr.Encode(text, qr.M, qr.Auto)
	if err != nil {
		return nil, fmt.Errorf("encode a QR code: %w", err)
	}
	size := code.Bounds().Dx()
	dark := func(x, y int) bool {
		return x < size && code.At(x, y) == color.Black
	}
	var path strings.Builder
	for y := range size {
		for x := 0; x < size; x++ {
			if !dark(x, y) {
				continue
			}
			first := x
			for dark(x, y) {
				x++
			}
			fmt.Fprintf(&path, "M%d %dh%dv1h-%dz", first+quiet, y+quiet, x-first, x-first)
		}
	}
	return &barcode{Size: size + 2*quiet, Path: path.String()}, nil
}
