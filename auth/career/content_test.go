package career

import (
	"bytes"
	"encoding/binary"
	"errors"
	"image"
	"image/color"
	"image/gif"
	"image/jpeg"
	"image/png"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"pgregory.net/rapid"
)

const pdf = "%PDF-1.7\n1 0 obj\n<<>>\nendobj\ntrailer\n<<>>\nstartxref\n0\n%%EOF\n"

// drawn are images of a size, as the standard library writes them.
func drawn(t testing.TB, width, height int) map[string][]byte {
	t.Helper()
	img := image.NewPaletted(image.Rect(0, 0, width, height), color.Palette{color.Black, color.White, color.RGBA{200, 10, 255, 255}})
	for n := range img.Pix {
		img.Pix[n] = byte(n * 7 % 3)
	}
	all := map[string][]byte{}
	for mediaType, encode := range map[string]func(io.Writer) error{
		typePNG:  func(w io.Writer) error { return png.Encode(w, img) },
		typeJPEG: func(w io.Writer) error { return jpeg.Encode(w, img, nil) },
		typeGIF: func(w io.Writer) error {
			return gif.EncodeAll(w, &gif.GIF{Image: []*image.Paletted{img, img}, Delay: []int{1, 1}})
		},
	} {
		var b bytes.Buffer
		if err := encode(&b); err != nil {
			t.Fatal(err)
		}
		all[mediaType] = b.Bytes()
	}
	return all
}

// accepted copies a file as an upload does.
func accepted(content []byte) (mediaType string, copied []byte, err error) {
	f := formatOf(content[:min(len(content), sniffed)])
	if f == nil {
		return "", nil, errContent
	}
	var out bytes.Buffer
	err = f.copyTo(&out, iotest.OneByteReader(bytes.NewReader(content)))
	return f.mediaType, out.Bytes(), err
}

func TestFilesThatAreWhatTheySay(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(r *rapid.T) {
		files := drawn(t, rapid.IntRange(1, 90).Draw(r, "width"), rapid.IntRange(1, 90).Draw(r, "height"))
		files[typePDF] = []byte("%PDF-1.4" + rapid.String().Draw(r, "objects") + strings.Repeat("x", rapid.IntRange(0, 9000).Draw(r, "more")) +
			"%%EOF" + rapid.StringMatching(`[\n\r \t]{0,100}`).Draw(r, "space"))
		for mediaType, content := range files {
			if got, copied, err := accepted(content); err != nil || got != mediaType || !bytes.Equal(copied, content) {
				t.Fatalf("%s: %q, %v, %t", mediaType, got, err, bytes.Equal(copied, content))
			}
		}
	})
}

// Whatever is behind the end of a file, in front of it, or missing of it, it is no file.
func TestFilesWithSomethingElse(t *testing.T) {
	t.Parallel()
	files := drawn(t, 40, 30)
	files[typePDF] = []byte(pdf)
	rapid.Check(t, func(r *rapid.T) {
		more := []byte(rapid.SampledFrom([]string{
			"<html><script>alert(1)</script>", "PK\x03\x04", "x", "%PDF-1.7\n%%EOX", "GIF89a", "*/=1;alert(1)//", "\x00", "%", "\xff\xd9<",
		}).Draw(r, "more"))
		for mediaType, content := range files {
			cut := rapid.IntRange(0, len(bytes.TrimSpace(content))-1).Draw(r, "cut")
			for what, bad := range map[string][]byte{
				"behind": append(bytes.Clone(content), more...), "before": append(bytes.Clone(more), content...), "cut": content[:cut],
			} {
				if bytes.HasPrefix(bad, []byte("GIF89aGIF8")) || bytes.HasPrefix(bad, []byte("%PDF")) && what == "before" {
					continue // of these beginnings nobody can say that they are in front of something
				}
				if got, _, err := accepted(bad); !errors.Is(err, errContent) {
					t.Fatalf("%s with %q %s is %s: %v", mediaType, more, what, got, err)
				}
			}
		}
	})
}

func TestFilesThatAreNone(t *testing.T) {
	t.Parallel()
	huge := drawn(t, 10, 10)
	binary.BigEndian.PutUint32(huge[typePNG][16:], 1<<31)
	at := bytes.Index(huge[typeJPEG], []byte{0xff, 0xc0})
	binary.BigEndian.PutUint16(huge[typeJPEG][at+5:], 0)
	binary.LittleEndian.PutUint16(huge[typeGIF][6:], 0xffff)
	changed := drawn(t, 10, 10)[typePNG]
	changed[len(changed)-20]++
	for name, content := range map[string]string{
		"empty": "", "text": "hello", "HTML": "<!DOCTYPE html><script>alert(1)</script>", "zip": "PK\x03\x04" + strings.Repeat("\x00", 40),
		"HTML in front": "<html>" + pdf, "byte order mark": "\ufeff" + pdf, "space": " " + pdf, "SVG": `<svg xmlns="http://www.w3.org/2000/svg"/>`,
		"PDF without an end": "%PDF-1.7\nhello", "PDF with an end long ago": pdf + strings.Repeat(" ", 1100), "PDF of no version": "%PDF-x\n%%EOF",
		"executable": "MZ\x90\x00", "WebP": "RIFF\x00\x00\x00\x00WEBPVP8 ", "TIFF": "II*\x00",
		"large PNG": string(huge[typePNG]), "JPEG without a width": string(huge[typeJPEG]), "large GIF": string(huge[typeGIF]),
		"PNG with a wrong sum": string(changed), "JPEG of markers": "\xff\xd8\xff\xd9", "JPEG of comments": "\xff\xd8\xff\xfe\x00\x10alert(1)//......\xff\xd9",
		"GIF without an image": "GIF89a\x01\x00\x01\x00\x00\x00\x00;", "GIF and JavaScript": "GIF89a/*\x00\x01\x00\x00\x00*/=1;alert(1)",
		"JPEG with a short segment": "\xff\xd8\xff\xe0\x00\x01\xff\xd9", "PNG of nothing": "\x89PNG\r\n\x1a\n\x00\x00\x00\x00IEND\xaeB`\x82",
		"PNG that goes on": "\x89PNG\r\n\x1a\n\x7f\xff\xff\xffIHDR", "JPEG that fills": "\xff\xd8" + strings.Repeat("\xff", 10000),
	} {
		if got, _, err := accepted([]byte(content)); !errors.Is(err, errContent) {
			t.Errorf("%s is %q, %v", name, got, err)
		}
	}
}

// What is wrong with the reader is not the file's fault, nor what is wrong with the writer.
func TestReadingOfFilesFails(t *testing.T) {
	t.Parallel()
	mine := errors.New("the client went away")
	files := drawn(t, 40, 30)
	files[typePDF] = []byte(pdf)
	for mediaType, content := range files {
		f := formatOf(content[:sniffed])
		err := f.copyTo(io.Discard, io.MultiReader(bytes.NewReader(content[:len(content)/2]), iotest.ErrReader(mine)))
		if !errors.Is(err, mine) {
			t.Errorf("reading %s: %v", mediaType, err)
		}
		reader, writer := io.Pipe()
		_ = reader.CloseWithError(mine)
		if err := f.copyTo(writer, bytes.NewReader(content)); !errors.Is(err, mine) {
			t.Errorf("writing %s: %v", mediaType, err)
		}
	}
}

// What is accepted is copied whole, ends where it says, and its images have a size that the standard library reads too.
func FuzzContent(f *testing.F) {
	for _, content := range drawn(f, 5, 4) {
		f.Add(content)
	}
	f.Add([]byte(pdf))
	f.Add([]byte("\xff\xd8\xff\xdb\x00\x02\xff\xc0\x00\x0b\x08\x00\x01\x00\x01\x01\x01\x11\x00\xff\xda\x00\x02\x00\xff\x00\xff\xd0\xff\xd9"))
	f.Fuzz(func(t *testing.T, content []byte) {
		mediaType, copied, err := accepted(content)
		if err != nil {
			if !errors.Is(err, errContent) {
				t.Fatal(err)
			}
			return
		}
		if !bytes.Equal(copied, content) {
			t.Fatalf("%d bytes of %d", len(copied), len(content))
		}
		if more := append(bytes.Clone(content), 'x'); mediaType != typePDF {
			if _, _, err := accepted(more); err == nil {
				t.Error("and with more behind it too")
			}
		} else if !bytes.HasPrefix(content, []byte("%PDF-")) || !bytes.HasSuffix(bytes.TrimRight(content, "\t\n\f\r "), []byte("%%EOF")) {
			t.Errorf("%q", content)
		}
	})
}
