package profile_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"image"
	"image/color"
	"image/color/palette"
	"image/gif"
	"image/jpeg"
	"image/png"
	"strings"
	"testing"

	"github.com/claimsmith/claimsmith/auth/profile"
)

// corners is an image with another colour in every quarter: red, green; blue, white.
func corners(width, height int) *image.NRGBA {
	m := image.NewNRGBA(image.Rect(0, 0, width, height))
	for y := range height {
		for x := range width {
			c := color.NRGBA{A: 255}
			switch right, low := x >= width/2, y >= height/2; {
			case right && low:
				c.R, c.G, c.B = 255, 255, 255
			case right:
				c.G = 255
			case low:
				c.B = 255
			default:
				c.R = 255
			}
			m.SetNRGBA(x, y, c)
		}
	}
	return m
}

func encoded(t testing.TB, format string, m image.Image) []byte {
	t.Helper()
	var b bytes.Buffer
	var err error
	switch format {
	case "png":
		err = png.Encode(&b, m)
	case "gif":
		err = gif.Encode(&b, m, nil)
	default:
		err = jpeg.Encode(&b, m, &jpeg.Options{Quality: 95})
	}
	if err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// drawn draws and checks what every picture has to be.
func drawn(t *testing.T, name, mediaType string, content []byte) []image.Image {
	t.Helper()
	all, err := profile.Drawn(t.Context(), name, mediaType, bytes.NewReader(content))
	if err != nil {
		t.Fatal(err)
	}
	var pictures []image.Image
	for n, size := range profile.PictureSizes {
		m, err := jpeg.Decode(bytes.NewReader(all[n]))
		if err != nil {
			t.Fatal(err)
		}
		if got := m.Bounds().Size(); got != image.Pt(size, size) {
			t.Errorf("size %d is %v", size, got)
		}
		for _, foreign := range []string{"Exif", "GPS", "<script", "PK\x03\x04", "secret"} {
			if bytes.Contains(all[n], []byte(foreign)) {
				t.Errorf("size %d has %q in it", size, foreign)
			}
		}
		pictures = append(pictures, m)
	}
	return pictures
}

// quarters names the colours of the quarters of a picture, from the top left, line by line.
func quarters(m image.Image) (names string) {
	edge := m.Bounds().Dx()
	for _, at := range []image.Point{{1, 1}, {3, 1}, {1, 3}, {3, 3}} {
		r, g, b, _ := m.At(at.X*edge/4, at.Y*edge/4).RGBA()
		name := byte('?')
		for _, known := range []struct {
			name    byte
			r, g, b bool
		}{{'R', true, false, false}, {'G', false, true, false}, {'B', false, false, true}, {'W', true, true, true}} {
			if r > 0x8000 == known.r && g > 0x8000 == known.g && b > 0x8000 == known.b {
				name = known.name
			}
		}
		names += string(name)
	}
	return names
}

func TestPicturesAreDrawnAnew(t *testing.T) {
	for _, test := range []struct {
		name, mediaType, format string
		width, height           int
	}{
		{"me.jpg", "image/jpeg", "jpeg", 640, 480},
		{"me.JPEG", "image/pjpeg", "jpeg", 480, 640},
		{"me.png", "image/png", "png", 90, 60},
		{"me.png", "IMAGE/PNG; q=1", "png", 2000, 1999},
		{"me.and.you.gif", "image/gif", "gif", 300, 300},
		{"../../etc/me.gif", "image/gif", "gif", 64, 1000},
	} {
		t.Run(test.name, func(t *testing.T) {
			for _, m := range drawn(t, test.name, test.mediaType, encoded(t, test.format, corners(test.width, test.height))) {
				if got := quarters(m); got != "RGBW" {
					t.Errorf("%v has %s", m.Bounds().Size(), got)
				}
			}
		})
	}
}

// TestTransparentIsWhite: a JPEG has no transparency, and what was under it does not come to light.
func TestTransparentIsWhite(t *testing.T) {
	m := corners(100, 100)
	for n := 3; n < len(m.Pix); n += 4 {
		m.Pix[n] = 0
	}
	if got := quarters(drawn(t, "me.png", "image/png", encoded(t, "png", m))[0]); got != "WWWW" {
		t.Error(got)
	}
}

// exif is a JPEG segment with an orientation, and with where the picture was taken.
func exif(order binary.AppendByteOrder, orientation int) []byte {
	block := []byte("MM\x00*")
	if order == binary.AppendByteOrder(binary.LittleEndian) {
		block = []byte("II*\x00")
	}
	block = order.AppendUint32(block, 8)
	block = order.AppendUint16(block, 2)
	block = append(order.AppendUint32(order.AppendUint16(order.AppendUint16(block, 0x010f), 2), 4), "GPS\x00"...)
	block = order.AppendUint32(order.AppendUint16(order.AppendUint16(block, 0x0112), 3), 1)
	block = append(order.AppendUint16(block, uint16(orientation)), 0, 0)
	block = append(order.AppendUint32(block, 0), "GPSLatitude secret"...)
	block = append([]byte("Exif\x00\x00"), block...)
	return append(binary.BigEndian.AppendUint16([]byte{0xff, 0xe1}, uint16(2+len(block))), block...)
}

func TestOrientation(t *testing.T) {
	plain := encoded(t, "jpeg", corners(100, 100))
	for orientation, want := range []string{1: "RGBW", 2: "GRWB", 3: "WBGR", 4: "BWRG", 5: "RBGW", 6: "BRWG", 7: "WGBR", 8: "GWRB"} {
		if orientation == 0 {
			continue
		}
		for _, order := range []binary.AppendByteOrder{binary.BigEndian, binary.LittleEndian} {
			content := bytes.Join([][]byte{plain[:2], exif(order, orientation), plain[2:]}, nil)
			if got := quarters(drawn(t, "me.jpg", "image/jpeg", content)[0]); got != want {
				t.Errorf("orientation %d is %s, not %s", orientation, got, want)
			}
		}
	}
	for _, content := range [][]byte{nil, plain, plain[:3], bytes.Join([][]byte{plain[:2], exif(binary.BigEndian, 9), plain[2:]}, nil)} {
		if got := profile.Orientation(content); got != 1 {
			t.Errorf("%d, without one", got)
		}
	}
	whole := append(plain[:2:2], exif(binary.LittleEndian, 6)...)
	for n := range whole {
		_ = profile.Orientation(whole[:n]) // does not panic
	}
}

// canvas is the beginning of a PNG that says it has this size.
func canvas(width, height uint32) []byte {
	header := binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32([]byte("IHDR"), width), height)
	header = append(header, 8, 6, 0, 0, 0)
	png := append([]byte("\x89PNG\r\n\x1a\n\x00\x00\x00\x0d"), header...)
	png = binary.BigEndian.AppendUint32(png, crc32.ChecksumIEEE(header))
	return append(png, make([]byte, 200)...)
}

func TestHostilePictures(t *testing.T) {
	good := map[string][]byte{}
	for _, format := range []string{"jpeg", "png", "gif"} {
		good[format] = encoded(t, format, corners(60, 60))
	}
	html := []byte("<!doctype html><script>alert(1)</script>" + strings.Repeat(" ", 200))
	svg := []byte(`<svg xmlns="http://www.w3.org/2000/svg" onload="alert(1)">` + strings.Repeat(" ", 200) + "</svg>")
	damaged := bytes.Clone(good["png"])
	damaged[len(damaged)/2] ^= 0xff
	wide := append([]byte("GIF89a\xff\xff\xff\xff\x00\x00\x00"), make([]byte, 200)...)
	scans := append(bytes.Clone(good["jpeg"]), bytes.Repeat([]byte("\xff\xda\x00\x02"), profile.MaxScans)...)
	for _, test := range []struct {
		name, file, mediaType string
		content               []byte
		says                  string
	}{
		{"none", "me.png", "image/png", nil, "at least 100 bytes"},
		{"tiny", "me.png", "image/png", good["png"][:99], "at least 100 bytes"},
		{"too large", "me.png", "image/png", append(bytes.Clone(good["png"]), make([]byte, profile.MaxPicture)...), "smaller than 1 MB"},
		{"svg", "me.svg", "image/svg+xml", svg, "one of the following types"},
		{"svg as png", "me.png", "image/png", svg, "The content"},
		{"html as gif", "me.gif", "image/gif", html, "The content"},
		{"html with a magic as gif", "me.gif", "image/gif", append([]byte("GIF89a"), html...), "The image must"},
		{"html with a jpeg's beginning", "me.jpg", "image/jpeg", append([]byte("\xff\xd8\xff"), html...), "damaged"},
		{"no extension", "png", "image/png", good["png"], "one of the following types"},
		{"two extensions", "me.png.html", "image/png", good["png"], "one of the following types"},
		{"extension with a zero", "me.png\x00", "image/png", good["png"], "one of the following types"},
		{"no name", "", "image/png", good["png"], "one of the following types"},
		{"webp", "me.webp", "image/webp", good["png"], "one of the following types"},
		{"jpeg called png", "me.png", "image/png", good["jpeg"], "The content"},
		{"png called gif", "me.gif", "image/gif", good["png"], "The content"},
		{"gif called jpeg", "me.jpg", "image/jpeg", good["gif"], "The content"},
		{"another type", "me.png", "image/jpeg", good["png"], "Content-Type"},
		{"no type", "me.png", "", good["png"], "Content-Type"},
		{"type of a page", "me.png", "text/html", good["png"], "Content-Type"},
		{"truncated jpeg", "me.jpg", "image/jpeg", good["jpeg"][:len(good["jpeg"])-200], "damaged"},
		{"truncated png", "me.png", "image/png", good["png"][:len(good["png"])-20], "damaged"},
		{"truncated gif", "me.gif", "image/gif", good["gif"][:len(good["gif"])-20], "damaged"},
		{"damaged png", "me.png", "image/png", damaged, "damaged"},
		{"a bomb", "me.png", "image/png", canvas(30_000, 30_000), "12.5 million pixels"},
		{"a thin bomb", "me.png", "image/png", canvas(1, 1<<31-1), "12.5 million pixels"},
		{"a wide gif", "me.gif", "image/gif", wide, "12.5 million pixels"},
		{"no pixels", "me.png", "image/png", canvas(0, 10), "damaged"},
		{"too many scans", "me.jpg", "image/jpeg", scans, "too many passes"},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := profile.Drawn(t.Context(), test.file, test.mediaType, bytes.NewReader(test.content))
			faults, _ := err.(profile.Faults) //nolint:errorlint // it is what the contract says
			if fault := faults["file"]; !strings.Contains(fault.User, test.says) || fault.Developer != fault.User {
				t.Errorf("%v %+v", err, faults)
			}
		})
	}
	_, err := profile.Drawn(t.Context(), "", "", nil)
	if faults, _ := errors.AsType[profile.Faults](err); faults["file"].User != "No file provided for profile image" {
		t.Error(err)
	}
}

// TestPolyglots: what is in a file beside the image is nowhere any more.
func TestPolyglots(t *testing.T) {
	page := "<script>secret</script>PK\x03\x04"
	comment := append(binary.BigEndian.AppendUint16([]byte{0xff, 0xfe}, uint16(2+len(page))), page...)
	m := corners(60, 60)
	photo := encoded(t, "jpeg", m)
	drawn(t, "me.jpg", "image/jpeg", bytes.Join([][]byte{photo[:2], comment, photo[2:], []byte(page)}, nil))
	drawn(t, "me.png", "image/png", append(encoded(t, "png", m), page...))
	drawn(t, "me.gif", "image/gif", append(encoded(t, "gif", m), page...))
	full := encoded(t, "png", m)
	drawn(t, "me.png", "image/png", append(full, make([]byte, profile.MaxPicture-len(full))...)) // the largest file there may be
}

// TestOnlyTheFirstFrameIsDrawn: the others are not even looked at, however many there are.
func TestOnlyTheFirstFrameIsDrawn(t *testing.T) {
	first := image.NewPaletted(image.Rect(0, 0, 50, 50), palette.WebSafe)
	for y := range 50 {
		for x := range 50 {
			first.Set(x, y, corners(50, 50).At(x, y))
		}
	}
	animation := &gif.GIF{}
	for range 500 {
		animation.Image, animation.Delay = append(animation.Image, first), append(animation.Delay, 1)
		first = image.NewPaletted(image.Rect(0, 0, 50, 50), palette.WebSafe)
	}
	var b bytes.Buffer
	if err := gif.EncodeAll(&b, animation); err != nil {
		t.Fatal(err)
	}
	broken := append(b.Bytes()[:b.Len()-2000], "no gif any more"...)
	if got := quarters(drawn(t, "me.gif", "image/gif", broken)[0]); got != "RGBW" {
		t.Error(got)
	}
}

func FuzzPictures(f *testing.F) {
	for _, format := range []string{"jpeg", "png", "gif"} {
		f.Add("me."+format, "image/"+format, encoded(f, format, corners(20, 10)))
	}
	photo := encoded(f, "jpeg", corners(16, 16))
	f.Add("me.jpg", "image/jpeg", bytes.Join([][]byte{photo[:2], exif(binary.LittleEndian, 5), photo[2:]}, nil))
	f.Add("me.png", "image/png", canvas(30_000, 30_000))
	f.Fuzz(func(t *testing.T, name, mediaType string, content []byte) {
		_ = profile.Orientation(content)
		all, err := profile.Drawn(t.Context(), name, mediaType, bytes.NewReader(content))
		if err != nil {
			if faults, ok := err.(profile.Faults); !ok || faults["file"].User == "" { //nolint:errorlint // as above
				t.Error(err)
			}
			return
		}
		for n, size := range profile.PictureSizes {
			if c, err := jpeg.DecodeConfig(bytes.NewReader(all[n])); err != nil || c.Width != size || c.Height != size {
				t.Errorf("%+v, %v", c, err)
			}
		}
	})
}
