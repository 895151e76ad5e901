package profile

import (
	"bytes"
	"context"
	"image"
	"image/color"
	"image/gif"
	"image/jpeg"
	"image/png"
	"io"
	"mime"
	"path"
	"slices"
	"strings"
	"time"

	"golang.org/x/image/draw"

	"github.com/claimsmith/claimsmith/auth"
)

// Bounds of what is drawn.
const (
	minPicture = 100
	maxPicture = 1 << 20
	maxPixels  = 12_500_000 // what telephones make
	// maxScans bounds how often a JPEG goes over the whole image, which takes it a few bytes each time.
	maxScans = 64
	maxWait  = 10 * time.Second
)

// format is a kind of image that is read.
type format struct {
	magics, extensions, mediaTypes []string
	config                         func(io.Reader) (image.Config, error)
	decode                         func(io.Reader) (image.Image, error) // of a GIF only the first frame
}

var formats = []format{
	{[]string{"\xff\xd8\xff"}, []string{".jpg", ".jpeg"}, []string{"image/jpeg", "image/pjpeg"}, jpeg.DecodeConfig, jpeg.Decode},
	{[]string{"\x89PNG\r\n\x1a\n"}, []string{".png"}, []string{"image/png"}, png.DecodeConfig, png.Decode},
	{[]string{"GIF87a", "GIF89a"}, []string{".gif"}, []string{"image/gif"}, gif.DecodeConfig, gif.Decode},
}

func fileFault(text string) error { return Faults{"file": {text, text}} }

// ErrLargePicture is the Faults of a picture that is too large.
var ErrLargePicture = fileFault("The file must be smaller than 1 MB in size.")

var (
	errNoFile      = fileFault("No file provided for profile image")
	errSmallFile   = fileFault("The file must be at least 100 bytes in size.")
	errOtherFile   = fileFault("The file must be one of the following types: .jpeg, .jpg, .png, .gif.")
	errMediaType   = fileFault("The Content-Type of the file is not the one of its extension.")
	errContent     = fileFault("The content of the file is not what its extension says.")
	errUndecodable = fileFault("The file is damaged: it cannot be read as an image.")
	errHuge        = fileFault("The image must have at most 12.5 million pixels.")
	errScans       = fileFault("The image is made of too many passes.")
)

// drawing is held by who draws: an image takes a thousand times the memory of its file.
var drawing = make(chan struct{}, 1)

// drawn reads an image and returns it as JPEGs of PictureSizes that have nothing in them but what is to be seen.
func drawn(ctx context.Context, fileName, mediaType string, r io.Reader) ([][]byte, error) {
	f, content, err := readImage(fileName, mediaType, r)
	if err != nil {
		return nil, err
	}
	waiting, cancel := context.WithTimeout(ctx, maxWait)
	defer cancel()
	select {
	case drawing <- struct{}{}:
		defer func() { <-drawing }()
	case <-waiting.Done():
		return nil, &auth.Error{Code: auth.Busy, Detail: "too many pictures are being drawn; try again"}
	}
	picture, err := f.decode(bytes.NewReader(content))
	if err != nil {
		return nil, errUndecodable
	}
	whole := upright(square(picture, picture.Bounds(), PictureSizes[0]), orientation(content))
	all := make([][]byte, len(PictureSizes))
	for i, size := range PictureSizes {
		var b bytes.Buffer
		if err := jpeg.Encode(&b, square(whole, whole.Bounds(), size), &jpeg.Options{Quality: 85}); err != nil {
			return nil, err
		}
		all[i] = b.Bytes()
	}
	return all, nil
}

// readImage reads a file and checks what can be without decoding it.
func readImage(fileName, mediaType string, r io.Reader) (*format, []byte, error) {
	if r == nil {
		return nil, nil, errNoFile
	}
	content, err := io.ReadAll(io.LimitReader(r, maxPicture+1))
	switch {
	case err != nil:
		return nil, nil, err
	case len(content) > maxPicture:
		return nil, nil, ErrLargePicture
	case len(content) < minPicture:
		return nil, nil, errSmallFile
	}
	extension := strings.ToLower(path.Ext(fileName))
	n := slices.IndexFunc(formats, func(f format) bool { return slices.Contains(f.extensions, extension) })
	if n < 0 {
		return nil, nil, errOtherFile
	}
	f := &formats[n]
	if media, _, err := mime.ParseMediaType(mediaType); err != nil || !slices.Contains(f.mediaTypes, media) {
		return nil, nil, errMediaType
	}
	if !slices.ContainsFunc(f.magics, func(magic string) bool { return bytes.HasPrefix(content, []byte(magic)) }) {
		return nil, nil, errContent
	}
	c, err := f.config(bytes.NewReader(content))
	switch {
	case err != nil, c.Width <= 0, c.Height <= 0:
		return nil, nil, errUndecodable
	case c.Width > maxPixels/c.Height:
		return nil, nil, errHuge
	case extension != ".png" && extension != ".gif" && bytes.Count(content, []byte("\xff\xda")) > maxScans:
		return nil, nil, errScans
	}
	return f, content, nil
}

// square draws the middle of an image on white.
func square(from image.Image, bounds image.Rectangle, size int) *image.RGBA {
	edge := min(bounds.Dx(), bounds.Dy())
	corner := bounds.Min.Add(image.Pt((bounds.Dx()-edge)/2, (bounds.Dy()-edge)/2))
	to := image.NewRGBA(image.Rect(0, 0, size, size))
	draw.Draw(to, to.Bounds(), image.NewUniform(color.White), image.Point{}, draw.Src)
	draw.CatmullRom.Scale(to, to.Bounds(), from, image.Rectangle{corner, corner.Add(image.Pt(edge, edge))}, draw.Over, nil)
	return to
}
