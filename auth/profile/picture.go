package profile

import (
	"context"
	"errors"
	"io"
	"slices"
	"strconv"
	"time"

	"github.com/claimsmith/claimsmith/auth"
	"github.com/claimsmith/claimsmith/auth/records"
	"github.com/claimsmith/claimsmith/claims"
)

// PictureSizes are the edges in pixels of the squares a picture is kept in.
var PictureSizes = []int{500, 120, 50, 30}

const jpegType = "image/jpeg"

// pictureAddress is where a kept picture is found.
func (s *Service) pictureAddress(id string, size int) string {
	return s.Issuer + "/picture/" + id + "/" + pictureFile(size)
}

func pictureFile(size int) string { return strconv.Itoa(size) + ".jpg" }

// PictureURL is where anybody finds a kept picture in a size, "" without one.
func (s *Service) PictureURL(u *auth.User, size int) string {
	id := u.Biography.Picture
	if id == "" || u.Profile.Picture != s.pictureAddress(id, PictureSizes[0]) { // an operator has named another one
		return ""
	}
	return s.pictureAddress(id, size)
}

// OpenPicture opens what PictureURL leads to, by the two last segments of its path: NotFound for everything else. It is a JPEG.
func (s *Service) OpenPicture(ctx context.Context, id, file string) (*records.File, error) {
	known := slices.ContainsFunc(PictureSizes, func(size int) bool { return file == pictureFile(size) })
	if s.Files == nil || !known {
		return nil, &auth.Error{Code: auth.NotFound, Detail: "there is no such picture"}
	}
	return s.Files.Open(ctx, records.Folder{Public: true}, id+"/"+file)
}

// SetPicture makes an image (JPEG, PNG or GIF, checked by its content, 100 bytes to 1 MiB) the person's picture, drawn anew in every size.
// fileName and mediaType are what the browser called it and must agree with the content; r is nil where there is no file. Faults have the
// key "file". Only the person himself may: NotFound for people, AccessDenied for who may read. Where it is Unavailable, the picture before it
// may still be there: the next change removes that.
func (s *Service) SetPicture(ctx context.Context, caller *auth.Caller, name, fileName, mediaType string, r io.Reader) error {
	user, err := s.pictured(ctx, caller, name)
	if err != nil {
		return err
	}
	if err := auth.Attempt(ctx, s.Limiter, auth.Bucket{Kind: "picture", Subject: "user:" + user.ID, Burst: 30, Period: time.Minute}); err != nil {
		return err
	}
	all, err := drawn(ctx, fileName, mediaType, r)
	if err != nil {
		return err
	}
	for before := user.Biography.Picture; ; {
		now, err := s.replacePicture(ctx, caller, user.ID, before, all)
		if !errors.Is(err, errOtherPicture) || ctx.Err() != nil {
			return err
		}
		before = now
	}
}

var errOtherPicture = errors.New("the picture has just been replaced")

// replacePicture puts a picture in the place of the one before, and removes every other one of the person. Whoever does the same at once
// removes this one as well if he sees it before it is in its place: then what he changed is no longer what was before, and this is
// errOtherPicture with what is there now.
func (s *Service) replacePicture(ctx context.Context, caller *auth.Caller, user, before string, all [][]byte) (now string, err error) {
	id, err := s.putPicture(ctx, user, all)
	if err != nil {
		return "", err
	}
	there, err := s.Files.PublicIDs(ctx, user, before)
	if err != nil {
		return "", errors.Join(err, s.forgetPictures(ctx, id))
	}
	_, err = s.Users.ChangeProfile(ctx, caller, "", user, func(p *claims.Profile, b *auth.Biography) error {
		if now = b.Picture; now != before && now != id {
			return errOtherPicture
		}
		b.Picture, p.Picture = id, s.pictureAddress(id, PictureSizes[0])
		return nil
	})
	switch {
	case err == nil:
		return id, s.forgetPictures(ctx, slices.DeleteFunc(there, func(other string) bool { return other == id })...)
	case auth.CodeOf(err) == auth.Unavailable: // it may be his picture
		return "", err
	}
	return now, errors.Join(err, s.forgetPictures(ctx, id))
}

func (s *Service) putPicture(ctx context.Context, user string, all [][]byte) (id string, err error) {
	folder := records.Folder{User: user, Public: true}
	id = s.Files.NewID(folder)
	for i, size := range PictureSizes {
		_, err := s.Files.Put(ctx, folder, id+"/"+pictureFile(size), jpegType, func(w io.Writer) error {
			_, err := w.Write(all[i])
			return err
		})
		if err != nil {
			return "", errors.Join(err, s.forgetPictures(ctx, id))
		}
	}
	return id, nil
}

// RemovePicture removes it, and an address that an operator gave in its place.
func (s *Service) RemovePicture(ctx context.Context, caller *auth.Caller, name string) error {
	user, err := s.pictured(ctx, caller, name)
	if err != nil {
		return err
	}
	// The files first, so that it can be repeated. What another request puts in their place meanwhile goes as well.
	for id := user.Biography.Picture; ; {
		if err := s.erasePictures(ctx, user.ID, id); err != nil {
			return err
		}
		_, err = s.Users.ChangeProfile(ctx, caller, "", user.ID, func(p *claims.Profile, b *auth.Biography) error {
			if b.Picture != id {
				id = b.Picture
				return errOtherPicture
			}
			b.Picture, p.Picture = "", ""
			return nil
		})
		if !errors.Is(err, errOtherPicture) || ctx.Err() != nil {
			return err
		}
	}
}

// WithdrawPicture implements auth.Pictures: where the standard claim has left the kept picture, that is removed, from the record too. The
// files go first, so that it can be repeated.
func (s *Service) WithdrawPicture(ctx context.Context, u *auth.User) error {
	id := u.Biography.Picture
	if id == "" || s.PictureURL(u, PictureSizes[0]) != "" {
		return nil
	}
	if s.Files == nil {
		return errNoPlace
	}
	if err := s.erasePictures(ctx, u.ID, id); err != nil {
		return err
	}
	u.Biography.Picture = ""
	return nil
}

// EraseUser implements auth.Eraser. Pictures belong to no organisation.
func (s *Service) EraseUser(ctx context.Context, user string, _ []string, whole bool) error {
	if !whole || s.Files == nil {
		return nil
	}
	now, _, err := s.Users.Store.User(ctx, user)
	if err != nil && auth.CodeOf(err) != auth.NotFound {
		return err
	}
	return s.erasePictures(ctx, user, now.Biography.Picture)
}

// pictured finds the person whose picture is to be changed.
func (s *Service) pictured(ctx context.Context, caller *auth.Caller, name string) (auth.User, error) {
	if _, isUser := caller.Self(caller.HomeOrg()); !isUser && caller.MayRead(caller.HomeOrg()) {
		return auth.User{}, &auth.Error{Code: auth.AccessDenied, Detail: "only the person himself may change his picture"}
	}
	user, err := s.Users.Find(ctx, caller, "", name)
	if err == nil && s.Files == nil {
		return user, errNoPlace
	}
	return user, err
}

var errNoPlace = &auth.Error{Code: auth.Unavailable, Detail: "this server has no place for files"}

// erasePictures removes every picture of a user. named is the one of his record, "" for none.
func (s *Service) erasePictures(ctx context.Context, user, named string) error {
	ids, err := s.Files.PublicIDs(ctx, user, named)
	if err != nil {
		return err
	}
	return s.deletePictures(ctx, ids)
}

// forgetTime bounds how long a request that is over goes on removing pictures.
const forgetTime = 10 * time.Second

// forgetPictures removes files that nobody is shown the address of any more, also for who has gone away. What stays of them goes with the
// next change, or with the person.
func (s *Service) forgetPictures(ctx context.Context, ids ...string) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), forgetTime)
	defer cancel()
	return s.deletePictures(ctx, ids)
}

func (s *Service) deletePictures(ctx context.Context, ids []string) (err error) {
	for _, id := range ids {
		for _, size := range PictureSizes {
			err = errors.Join(err, s.Files.Delete(ctx, records.Folder{Public: true}, id+"/"+pictureFile(size)))
		}
	}
	return err
}
