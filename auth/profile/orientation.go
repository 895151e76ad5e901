package profile

import (
	"bytes"
	"encoding/binary"
	"image"
)

// orientation reads how a camera was held (Exif 2.3, tag Orientation): 1 to 8, 1 where nothing says it.
func orientation(content []byte) int {
	rest, found := bytes.CutPrefix(content, []byte("\xff\xd8"))
	for found && len(rest) >= 4 && rest[0] == 0xff && rest[1] >= 0xc0 && rest[1] != 0xda {
		length := 2 + int(binary.BigEndian.Uint16(rest[2:]))
		if length < 4 || length > len(rest) {
			break
		}
		if block, exif := bytes.CutPrefix(rest[4:length], []byte("Exif\x00\x00")); rest[1] == 0xe1 && exif {
			return orientationIn(block)
		}
		rest = rest[length:]
	}
	return 1
}

// orientationIn reads it from the first directory of a TIFF.
func orientationIn(block []byte) int {
	var order binary.ByteOrder = binary.LittleEndian
	switch {
	case bytes.HasPrefix(block, []byte("MM\x00*")):
		order = binary.BigEndian
	case !bytes.HasPrefix(block, []byte("II*\x00")):
		return 1
	}
	if len(block) < 8 {
		return 1
	}
	directory := uint64(order.Uint32(block[4:]))
	if directory+2 > uint64(len(block)) {
		return 1
	}
	entries := block[directory+2:]
	for range order.Uint16(block[directory:]) {
		if len(entries) < 12 {
			break
		}
		if order.Uint16(entries) == 0x0112 {
			if value := int(order.Uint16(entries[8:])); value >= 1 && value <= 8 {
				return value
			}
			break
		}
		entries = entries[12:]
	}
	return 1
}

// upright turns a square that was taken in an orientation.
func upright(from *image.RGBA, orientation int) *image.RGBA {
	if orientation == 1 {
		return from
	}
	last := from.Bounds().Dx() - 1
	to := image.NewRGBA(from.Bounds())
	for y := range last + 1 {
		for x := range last + 1 {
			// Where in the file the pixel is that belongs here.
			at := [...]image.Point{
				{x, y}, {last - x, y}, {last - x, last - y}, {x, last - y}, {y, x}, {y, last - x}, {last - y, last - x}, {last - y, x},
			}[orientation-1]
			to.SetRGBA(x, y, from.RGBAAt(at.X, at.Y))
		}
	}
	return to
}
