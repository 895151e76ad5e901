package career

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/url"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/claimsmith/claimsmith/auth"
	"github.com/claimsmith/claimsmith/auth/records"
)

// Bounds of the fields of an upload, in bytes but for names.
const (
	maxField    = 4 << 10
	maxLink     = 1 << 10
	maxFileName = 120 // characters
)

// The fields of an upload.
const (
	fieldUser       = "user"
	fieldPlatform   = "platform"
	fieldResume     = "resume"
	fieldAdditional = "additional_files"
	fieldTypeOf     = "file_type_" // and the name of a file
)

var (
	linkField = regexp.MustCompile(`^link_([1-9][0-9]{0,2})$`)
	fileType  = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9 _-]{0,49}$`)
)

// uploading is an upload that is being read. Its files are kept already, but nothing knows of them.
type uploading struct {
	*Service
	folder records.Folder
	owner  *auth.User
	asked  string // what the request called the owner

	added  []addition
	types  map[string]string // by the names that files were sent with
	links  map[int]string
	size   int64
	faults Faults
}

// addition is a file with the name it was sent with.
type addition struct {
	ResumeFile
	sentAs string
}

// read reads all parts. The first thing that is wrong ends it: nobody's files are read to tell more.
func (u *uploading) read(ctx context.Context, up Upload) error {
	u.types, u.links = map[string]string{}, map[int]string{}
	for part, err := range up {
		if err == nil && part.Name != "" {
			err = u.readFile(ctx, part)
		} else if err == nil {
			err = u.readField(part)
		}
		if err != nil {
			return err
		}
		if len(u.faults) > 0 {
			return u.faults
		}
	}
	for name, kind := range u.types {
		found := false
		for n := range u.added {
			if a := &u.added[n]; a.sentAs == name && a.Type != typeResume {
				found, a.Type = true, kind
			}
		}
		if !found {
			u.fault(fieldTypeOf+name, "No additional file of this name was submitted.")
			return u.faults
		}
	}
	if len(u.added) == 0 && len(u.links) == 0 {
		return errNothing
	}
	return nil
}

// errNothing is an upload without anything in it, which is not the fault of a field.
var errNothing = Faults{"": {"No file or link provided"}}

func (u *uploading) fault(field, text string) {
	name := []rune(clean(field))
	u.faults[string(name[:min(len(name), maxFileName)])] = []string{text}
}

func (u *uploading) readField(part Part) error {
	text, err := io.ReadAll(io.LimitReader(part.Body, maxField+1))
	if err != nil {
		return err
	}
	value := strings.TrimSpace(string(text))
	if len(text) > maxField || !utf8.Valid(text) {
		u.fault(part.Field, fmt.Sprintf("Ensure this field is text of no more than %d bytes.", maxField))
		return nil
	}
	switch link := linkField.FindStringSubmatch(part.Field); {
	case part.Field == fieldUser:
		if value != "" && value != u.asked && value != u.owner.Username && value != u.owner.ID {
			u.fault(fieldUser, "This is not the user of the address.")
		}
	case part.Field == fieldPlatform:
		if value != "" && value != u.folder.Org {
			u.fault(fieldPlatform, "This is not the platform of the address.")
		}
	case part.Field == fieldResume || part.Field == fieldAdditional:
		if value != "" {
			u.fault(part.Field, "The submitted data was not a file. Check the encoding type on the form.")
		}
	case link != nil:
		number, _ := strconv.Atoi(link[1])
		u.readLink(part.Field, number, value)
	case strings.HasPrefix(part.Field, fieldTypeOf):
		if !fileType.MatchString(value) || value == typeResume {
			u.fault(part.Field, "Enter at most 50 letters, digits, spaces, hyphens and underscores, other than resume.")
		}
		u.types[strings.TrimPrefix(part.Field, fieldTypeOf)] = value
	}
	return nil
}

func (u *uploading) readLink(field string, number int, value string) {
	link, err := url.Parse(value)
	_, twice := u.links[number]
	switch {
	case twice:
		u.fault(field, "This link was submitted twice.")
	case value != "" && (err != nil || link.Scheme != "http" && link.Scheme != "https" || link.Host == "" || link.User != nil ||
		len(value) > maxLink || strings.ContainsFunc(value, func(r rune) bool { return r <= ' ' || !unicode.IsPrint(r) })):
		u.fault(field, fmt.Sprintf("Enter a valid URL: http or https, and at most %d bytes.", maxLink))
	case len(u.links) == maxLinks:
		u.fault(field, fmt.Sprintf("Ensure there are no more than %d links.", maxLinks))
	default:
		u.links[number] = value
	}
}

// readFile keeps a file while it comes.
func (u *uploading) readFile(ctx context.Context, part Part) error {
	switch {
	case part.Field != fieldResume && part.Field != fieldAdditional:
		u.fault(part.Field, "Files are submitted as resume or additional_files.")
		return nil
	case part.Field == fieldResume && slices.ContainsFunc(u.added, func(a addition) bool { return a.Type == typeResume }):
		u.fault(fieldResume, "Submit one file.")
		return nil
	case len(u.added) == maxFiles:
		u.fault(fieldAdditional, tooManyFiles)
		return nil
	case u.Files == nil:
		return noPlace()
	}
	in := bufio.NewReader(part.Body)
	head, err := in.Peek(sniffed)
	if err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	is := formatOf(head)
	switch {
	case len(head) == 0:
		u.fault(part.Field, "The submitted file is empty.")
		return nil
	case is == nil || part.Field == fieldResume && is.mediaType != typePDF:
		u.fault(part.Field, refusedFormat(part.Field))
		return nil
	}
	file := ResumeFile{
		ID: u.Files.NewID(u.folder), Name: fileName(part.Name, is), Type: typeOther, MediaType: is.mediaType, AddedAt: u.Now(),
	}
	if part.Field == fieldResume {
		file.Type = typeResume
	}
	digest := sha256.New()
	limited := &limited{in, MaxFile - u.size}
	file.Size, err = u.Files.Put(ctx, u.folder, file.ID, is.mediaType, func(w io.Writer) error {
		return is.copyTo(io.MultiWriter(w, digest), limited)
	})
	if errors.Is(err, errContent) {
		u.fault(part.Field, refusedFormat(part.Field))
		return nil
	}
	if err != nil {
		return err
	}
	u.size += file.Size
	file.Digest = base64.RawURLEncoding.EncodeToString(digest.Sum(nil))
	u.added = append(u.added, addition{file, part.Name})
	return nil
}

var tooManyFiles = fmt.Sprintf("Ensure there are no more than %d files, and no more than %d MiB in all.", maxFiles, maxFileBytes>>20)

func refusedFormat(field string) string {
	if field == fieldResume {
		return "The submitted file is no PDF, or has something else in it."
	}
	return "The submitted file is no PDF, PNG, JPEG or GIF, or has something else in it."
}

// limited is ErrTooLarge beyond so many bytes.
type limited struct {
	io.Reader
	left int64
}

func (l *limited) Read(p []byte) (int, error) {
	n, err := l.Reader.Read(p[:min(int64(len(p)), l.left+1)])
	if l.left -= int64(n); l.left < 0 {
		return 0, ErrTooLarge
	}
	return n, err
}

// apply puts what was uploaded into a résumé. It may be called more than once.
func (u *uploading) apply(body *stored) error {
	for _, a := range u.added {
		body.Files = slices.DeleteFunc(body.Files, func(f ResumeFile) bool {
			return a.Type == typeResume && f.Type == typeResume ||
				a.Type != typeResume && f.Type != typeResume && a.Name == f.Name && a.Digest == f.Digest
		})
		body.Files = append(body.Files, a.ResumeFile)
	}
	sortFiles(body.Files)
	var bytes int64
	for _, f := range body.Files {
		bytes += f.Size
	}
	if len(body.Files) > maxFiles || bytes > maxFileBytes {
		return Faults{fieldAdditional: {tooManyFiles}}
	}
	if len(u.links) > 0 {
		body.Links = nil
		numbers := make([]int, 0, len(u.links))
		for n := range u.links {
			numbers = append(numbers, n)
		}
		slices.Sort(numbers)
		for _, n := range numbers {
			if u.links[n] != "" {
				body.Links = append(body.Links, u.links[n])
			}
		}
	}
	return nil
}

// withdraw deletes what was kept for nothing.
func (u *uploading) withdraw(ctx context.Context, body *stored) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), changeTime)
	defer cancel()
	for _, a := range u.added {
		if body.find(a.ID) == nil {
			_ = u.Files.Delete(ctx, u.folder, a.ID) // goes with the folder at the latest
		}
	}
}

// fileName is the name a file is kept by: the last segment of what it was sent as, without what is not seen or turns text around, and with
// an ending that is one of its format, so that nothing opens it as something else.
func fileName(sent string, is *format) string {
	name := clean(path.Base(strings.ReplaceAll(sent, `\`, "/")))
	name = strings.Trim(name, " .")
	ending := strings.ToLower(path.Ext(name))
	if ending == ".jpeg" || ending == ".jpe" {
		ending = ".jpg"
	}
	if ending != is.extension {
		name += is.extension
	}
	if runes := []rune(name); len(runes) > maxFileName {
		end := []rune(path.Ext(name))
		name = string(runes[:maxFileName-len(end)]) + string(end)
	}
	if name == is.extension {
		name = "file" + name
	}
	return name
}

// clean leaves out of a name what is not printed, and what names cannot have somewhere.
func clean(name string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == utf8.RuneError || !unicode.IsPrint(r):
			return -1
		case strings.ContainsRune(`/\:*?"<>|`, r):
			return '_'
		}
		return r
	}, name)
}

// Bounds of the uploads under way in this process: each holds a connection, and memory where files go to S3.
const (
	maxUploads      = 16
	maxUploadsOfOne = 2
	tryAgain        = 5 * time.Second
)

// uploads counts them by whose résumé it is.
type uploads struct {
	mu  sync.Mutex
	of  map[string]int
	all int
}

func (u *uploads) enter(user string) error {
	u.mu.Lock()
	defer u.mu.Unlock()
	switch {
	case u.of[user] >= maxUploadsOfOne:
		return &auth.Error{Code: auth.Throttled, Detail: "too many uploads are under way; wait for them to end", RetryAfter: tryAgain}
	case u.all >= maxUploads:
		return &auth.Error{Code: auth.Busy, Detail: "too many uploads are under way; try again", RetryAfter: tryAgain}
	case u.of == nil:
		u.of = map[string]int{}
	}
	u.of[user]++
	u.all++
	return nil
}

func (u *uploads) leave(user string) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.all--
	if u.of[user]--; u.of[user] == 0 {
		delete(u.of, user)
	}
}
