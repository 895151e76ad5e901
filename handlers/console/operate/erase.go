package operate

import (
	"bytes"
	"net/http"
	"strconv"

	"github.com/claimsmith/claimsmith/auth"
	"github.com/claimsmith/claimsmith/handlers/console/page"
	"github.com/claimsmith/claimsmith/handlers/problem"
)

// exportUser answers with the archive of everything held about a person.
func (k *desk) exportUser() error {
	user, err := k.named()
	if err != nil {
		return err
	}
	var archive bytes.Buffer // whole, so that what goes wrong on the way is an error page and no broken file
	if err := k.People.Archive(k.Request().Context(), k.caller, k.org.Slug, user.ID, &archive); err != nil {
		return err
	}
	k.Response().Header().Set("Content-Disposition", `attachment; filename="user-`+user.ID+`.zip"`)
	return k.Blob(http.StatusOK, "application/zip", archive.Bytes())
}

// erasePage is the data of the page that asks before a user is erased. Word is what has to be typed.
type erasePage struct {
	Person     person
	Word, Mail string
	Version    string
}

func (k *desk) askErase() error {
	if _, err := k.query(); err != nil {
		return err
	}
	return k.showErase(nil)
}

func (k *desk) showErase(fault error) error {
	user, err := k.named()
	if err != nil {
		return err
	}
	data := erasePage{
		Person: personOf(&user), Word: wordFor(page.NameToLogIn(&user), user.ID), Version: strconv.FormatUint(user.Version, 10),
	}
	if fault != nil {
		return k.refuse(fault, "user_erase", "users", data)
	}
	return k.respond(http.StatusOK, "user_erase", "users", data)
}

func wordFor(name, id string) string {
	if name != "" {
		return name
	}
	return id
}

// eraseUser removes a user with everything that is his, once his name was typed. Somebody whose erasure was cut off is nowhere to be found
// any more: sending the form again goes on with it.
func (k *desk) eraseUser() error {
	id, err := k.value("user")
	if err != nil {
		return err
	}
	version, err := k.version()
	if err != nil {
		return err
	}
	user, err := k.named()
	gone := auth.CodeOf(err) == auth.NotFound
	switch {
	case gone:
	case err != nil:
		return err
	case k.form.Get("confirmation") != wordFor(page.NameToLogIn(&user), user.ID):
		return k.showErase(problem.New(problem.InvalidRequest, k.text("user.erase.mismatch")))
	default:
		id = user.ID
	}
	if err := k.Users.Delete(k.Request().Context(), k.caller, k.org.Slug, id, version); err != nil {
		if gone || k.fault(err) == "" {
			return err
		}
		return k.showErase(err)
	}
	return k.done(k.here("user"), "user_erased")
}

// version is the version of the object a form was made for.
func (k *desk) version() (*uint64, error) {
	n, err := strconv.ParseUint(k.form.Get("version"), 10, 64)
	if err != nil {
		return nil, problem.New(problem.InvalidRequest, "the form lacks its version")
	}
	return &n, nil
}
