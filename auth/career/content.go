package career

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"io"
)

// What files may be. Only their content says what they are (row D-04).
const (
	typePDF  = "application/pdf"
	typePNG  = "image/png"
	typeJPEG = "image/jpeg"
	typeGIF  = "image/gif"
)

// format is what files of a media type begin with, and how they are read to their end.
type format struct {
	mediaType, extension string
	magic                []string
	read                 func(*bufio.Reader) error
}

var formats = []format{
	{typePDF, ".pdf", []string{"%PDF-1.", "%PDF-2."}, readPDF},
	{typePNG, ".png", []string{"\x89PNG\r\n\x1a\n"}, readPNG},
	{typeJPEG, ".jpg", []string{"\xff\xd8\xff"}, readJPEG},
	{typeGIF, ".gif", []string{"GIF87a", "GIF89a"}, readGIF},
}

// sniffed is how much formatOf has to see.
const sniffed = 8

// formatOf is nil for what may not be uploaded.
func formatOf(head []byte) *format {
	for n := range formats {
		for _, magic := range formats[n].magic {
			if bytes.HasPrefix(head, []byte(magic)) {
				return &formats[n]
			}
		}
	}
	return nil
}

// errContent is a file that is not what its beginning says. Other errors of reading are those of the reader.
var errContent = errors.New("the file is damaged or has something else in it")

// copyTo copies a file, and fails unless all of it is of the format and nothing comes after its end.
func (f *format) copyTo(w io.Writer, r io.Reader) error {
	in := bufio.NewReader(io.TeeReader(r, w))
	err := f.read(in)
	if err == nil {
		if _, err = in.ReadByte(); errors.Is(err, io.EOF) {
			return nil
		} else if err == nil {
			return errContent
		}
	}
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return errContent
	}
	return err
}

// readPDF looks at both ends: ISO 32000-1 §7.5.5 has the end in the last lines, and readers look in the last kilobyte. What is between is
// the business of whoever opens it.
func readPDF(r *bufio.Reader) error {
	const end, within = "%%EOF", 1024
	tail := make([]byte, 0, 2*within)
	for {
		piece, err := r.Peek(max(r.Buffered(), 1))
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		tail = append(tail, piece[max(0, len(piece)-within):]...)
		tail = append(tail[:0], tail[max(0, len(tail)-within):]...)
		if _, err := r.Discard(len(piece)); err != nil {
			return err
		}
	}
	at := bytes.LastIndex(tail, []byte(end))
	if at < 0 || len(bytes.Trim(tail[at+len(end):], "\t\n\f\r ")) > 0 {
		return errContent
	}
	return nil
}

// maxEdge and maxPixels are more than any camera makes, and less than what decoders choke on.
const (
	maxEdge   = 1 << 15
	maxPixels = 1 << 28
)

func checkSize(width, height uint64) error {
	if width == 0 || height == 0 || width > maxEdge || height > maxEdge || width*height > maxPixels {
		return errContent
	}
	return nil
}

// readPNG reads chunk by chunk (PNG, third edition, §5), with their check sums.
func readPNG(r *bufio.Reader) error {
	if _, err := r.Discard(8); err != nil {
		return err
	}
	for first := true; ; first = false {
		var head [8]byte
		if _, err := io.ReadFull(r, head[:]); err != nil {
			return err
		}
		length, kind := binary.BigEndian.Uint32(head[:4]), string(head[4:])
		if first != (kind == "IHDR") || length > 1<<31-1 || kind == "IHDR" && length != 13 || kind == "IEND" && length != 0 {
			return errContent
		}
		sum := crc32.NewIEEE()
		_, _ = sum.Write(head[4:])
		if first {
			var header [13]byte
			if _, err := io.ReadFull(r, header[:]); err != nil {
				return err
			}
			if err := checkSize(uint64(binary.BigEndian.Uint32(header[:])), uint64(binary.BigEndian.Uint32(header[4:]))); err != nil {
				return err
			}
			_, _ = sum.Write(header[:])
		} else if _, err := io.CopyN(sum, r, int64(length)); err != nil {
			return err
		}
		var want [4]byte
		if _, err := io.ReadFull(r, want[:]); err != nil {
			return err
		}
		if binary.BigEndian.Uint32(want[:]) != sum.Sum32() {
			return errContent
		}
		if kind == "IEND" {
			return nil
		}
	}
}

// Markers of JPEG (ISO/IEC 10918-1 table B.1).
const (
	markerTEM  = 0x01
	markerRST0 = 0xd0
	markerRST7 = 0xd7
	markerSOI  = 0xd8
	markerEOI  = 0xd9
	markerSOS  = 0xda
)

// readJPEG reads segment by segment, and over what is coded between them.
func readJPEG(r *bufio.Reader) error {
	if _, err := r.Discard(2); err != nil {
		return err
	}
	framed, scanned := false, false
	marker, err := nextMarker(r)
	for err == nil {
		switch {
		case marker == markerEOI:
			if !framed || !scanned {
				return errContent
			}
			return nil
		case marker < 0xc0 || marker == markerSOI || marker >= markerRST0 && marker <= markerRST7:
			return errContent
		}
		var length [2]byte
		if _, err := io.ReadFull(r, length[:]); err != nil {
			return err
		}
		rest := int(binary.BigEndian.Uint16(length[:])) - len(length)
		if isFrame(marker) {
			var frame [5]byte
			if framed || rest < len(frame) {
				return errContent
			}
			if _, err := io.ReadFull(r, frame[:]); err != nil {
				return err
			}
			if err := checkSize(uint64(binary.BigEndian.Uint16(frame[3:])), uint64(binary.BigEndian.Uint16(frame[1:]))); err != nil {
				return err
			}
			framed = true
			rest -= len(frame)
		}
		if rest < 0 {
			return errContent
		}
		if _, err := r.Discard(rest); err != nil {
			return err
		}
		if marker != markerSOS {
			marker, err = nextMarker(r)
			continue
		}
		if !framed {
			return errContent
		}
		scanned = true
		marker, err = passCoded(r)
	}
	return err
}

func isFrame(marker byte) bool {
	return marker >= 0xc0 && marker <= 0xcf && marker != 0xc4 && marker != 0xc8 && marker != 0xcc
}

// nextMarker reads 0xff, as often as it is repeated to fill, and the marker behind it.
func nextMarker(r *bufio.Reader) (byte, error) {
	b, err := r.ReadByte()
	if err == nil && b != 0xff {
		err = errContent
	}
	for err == nil && b == 0xff {
		b, err = r.ReadByte()
	}
	if err == nil && b <= markerTEM {
		err = errContent
	}
	return b, err
}

// passCoded reads up to the next marker but for restarts, and returns it: 0xff is coded as 0xff 0x00.
func passCoded(r *bufio.Reader) (byte, error) {
	for {
		if _, err := r.ReadSlice(0xff); errors.Is(err, bufio.ErrBufferFull) {
			continue
		} else if err != nil {
			return 0, err
		}
		b, err := byte(0xff), error(nil)
		for err == nil && b == 0xff {
			b, err = r.ReadByte()
		}
		if err != nil || b != 0 && (b < markerRST0 || b > markerRST7) {
			return b, err
		}
	}
}

// readGIF reads block by block (GIF89a appendix B).
func readGIF(r *bufio.Reader) error {
	var head [13]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return err
	}
	if err := checkSize(uint64(binary.LittleEndian.Uint16(head[6:])), uint64(binary.LittleEndian.Uint16(head[8:]))); err != nil {
		return err
	}
	if err := passColors(r, head[10]); err != nil {
		return err
	}
	images := 0
	for {
		kind, err := r.ReadByte()
		if err != nil {
			return err
		}
		switch kind {
		case ';':
			if images == 0 {
				return errContent
			}
			return nil
		case '!':
			_, err = r.Discard(1)
		case ',':
			images++
			var image [9]byte
			if _, err = io.ReadFull(r, image[:]); err == nil {
				err = passColors(r, image[8])
			}
			if err == nil {
				_, err = r.Discard(1) // the least code size
			}
		default:
			return errContent
		}
		if err == nil {
			err = passBlocks(r)
		}
		if err != nil {
			return err
		}
	}
}

// passColors reads over the table of colours that the flags announce.
func passColors(r *bufio.Reader, flags byte) error {
	if flags&0x80 == 0 {
		return nil
	}
	_, err := r.Discard(3 << (flags&7 + 1))
	return err
}

func passBlocks(r *bufio.Reader) error {
	for {
		length, err := r.ReadByte()
		if err != nil || length == 0 {
			return err
		}
		if _, err := r.Discard(int(length)); err != nil {
			return err
		}
	}
}
