package people

import (
	"archive/zip"
	"context"
	"io"
	"path"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/claimsmith/claimsmith/auth"
	"github.com/claimsmith/claimsmith/auth/career"
	"github.com/claimsmith/claimsmith/auth/memory"
	"github.com/claimsmith/claimsmith/auth/profile"
	"github.com/claimsmith/claimsmith/auth/records"
)

// picture is the one that is kept, in its largest size.
func (a *archive) picture(ctx context.Context) error {
	address := a.Profile.PictureURL(a.user, profile.PictureSizes[0])
	if address == "" {
		return nil
	}
	file, err := a.Profile.OpenPicture(ctx, a.user.Biography.Picture, path.Base(address))
	return a.copied("picture.jpg", file, err)
}

// copied writes a file as it is. One that was removed meanwhile is passed over.
func (a *archive) copied(name string, file *records.File, err error) error {
	if auth.CodeOf(err) == auth.NotFound {
		return nil
	}
	if err != nil {
		return err
	}
	defer func() { _ = file.Close() }()
	w, err := a.zip.CreateHeader(&zip.FileHeader{Name: name, Method: zip.Deflate, Modified: a.Now()})
	if err != nil {
		return err
	}
	_, err = io.Copy(w, file)
	return err
}

type careerFile struct {
	ID        uint64                    `json:"id"`
	Members   map[string]jsontext.Value `json:",embed"`
	CreatedAt time.Time                 `json:"created_at"`
	UpdatedAt time.Time                 `json:"updated_at"`
}

func (a *archive) career(ctx context.Context, org string) error {
	kinds := map[career.Kind][]careerFile{}
	for _, kind := range []career.Kind{career.Education, career.Experience, career.Institutions, career.Companies} {
		items, err := a.Career.List(ctx, a.caller, org, a.user.ID, kind)
		if err != nil {
			return err
		}
		kinds[kind] = make([]careerFile, len(items))
		for n, i := range items {
			kinds[kind][n] = careerFile{i.ID, i.Members, i.CreatedAt, i.UpdatedAt}
		}
	}
	return a.file(org+"/career.json", kinds)
}

type resumeFile struct {
	Links []string         `json:"links"`
	Files []resumeFileFile `json:"files"`
}

type resumeFileFile struct {
	// Path is where the file is in the archive: what a file is called is in nobody's path.
	Path      string    `json:"path"`
	Name      string    `json:"name"`
	Type      string    `json:"type"`
	MediaType string    `json:"media_type"`
	Size      int64     `json:"size"`
	AddedAt   time.Time `json:"added_at"`
}

func (a *archive) resume(ctx context.Context, org string) error {
	r, err := a.Career.Resume(ctx, a.caller, org, a.user.ID)
	if err != nil {
		return err
	}
	file := resumeFile{Links: r.Links, Files: make([]resumeFileFile, len(r.Files))}
	for n, f := range r.Files {
		file.Files[n] = resumeFileFile{org + "/resume/" + f.ID, f.Name, f.Type, f.MediaType, f.Size, f.AddedAt}
	}
	if err := a.file(org+"/resume.json", file); err != nil {
		return err
	}
	for n, f := range r.Files {
		_, content, err := a.Career.OpenFile(ctx, a.caller, org, a.user.ID, f.ID)
		if err := a.copied(file.Files[n].Path, content, err); err != nil {
			return err
		}
	}
	return nil
}

type memoryFile struct {
	Learn    bool              `json:"auto_capture_enabled"`
	Use      bool              `json:"use_memory_in_responses"`
	Memories []rememberedFile  `json:"memories"`
	Globals  []rememberedFile  `json:"global_memories"`
	Facts    map[string]string `json:"facts"`
}

type rememberedFile struct {
	ID        uint64    `json:"id"`
	Mentor    string    `json:"mentor,omitempty"`
	Category  string    `json:"category,omitempty"`
	Session   string    `json:"session_id,omitempty"`
	Content   string    `json:"content"`
	CreatedAt time.Time `json:"created_at"`
}

func remembered(all []memory.Memory) []rememberedFile {
	files := make([]rememberedFile, len(all))
	for n, m := range all {
		files[n] = rememberedFile{m.ID, m.Mentor, m.Category.Slug, m.Session, m.Content, m.CreatedAt}
	}
	return files
}

func (a *archive) memory(ctx context.Context, org string) error {
	flags, err := a.Memory.Flags(ctx, a.caller, org, a.user.ID)
	if err != nil {
		return err
	}
	memories, err := a.Memory.Memories(ctx, a.caller, org, a.user.ID, memory.Filter{})
	if err != nil {
		return err
	}
	globals, err := a.Memory.Globals(ctx, a.caller, org, a.user.ID, memory.Filter{})
	if err != nil {
		return err
	}
	facts, err := a.Memory.Facts(ctx, a.caller, org, a.user.ID)
	if err != nil {
		return err
	}
	file := memoryFile{flags.Learn, flags.Use, remembered(memories), remembered(globals), map[string]string{}}
	for _, f := range facts {
		file.Facts[f.Tag] = f.Detail
	}
	return a.file(org+"/memory.json", file)
}
