package operate

import (
	"errors"
	"net/http"

	"github.com/claimsmith/claimsmith/auth"
	"github.com/claimsmith/claimsmith/auth/keys"
)

// keysPage is the data of the list of signing keys.
type keysPage struct{ Keys []keys.Listing }

func (k *desk) keys() error {
	if err := k.forAdministrators(); err != nil {
		return err
	}
	if _, err := k.query(); err != nil {
		return err
	}
	set, err := k.Keys.Set()
	if err != nil {
		return keyError(err)
	}
	return k.respond(http.StatusOK, "keys", "keys", keysPage{set.List(k.Now())})
}

// keyError is an error of the key ring as one of auth.
func keyError(err error) error {
	switch {
	case errors.Is(err, keys.ErrNotFound):
		return &auth.Error{Code: auth.NotFound, Detail: "no such signing key", Err: err}
	case errors.Is(err, keys.ErrUnavailable), errors.Is(err, keys.ErrConflict):
		return &auth.Error{Code: auth.Unavailable, Err: err}
	}
	return err
}

// rotateKeys makes the next key of every algorithm.
func (k *desk) rotateKeys() error {
	if err := k.forAdministrators(); err != nil {
		return err
	}
	for _, alg := range keys.Algorithms() {
		if _, err := k.Keys.Rotate(k.Request().Context(), k.caller.Ref(), alg); err != nil {
			return keyError(err)
		}
	}
	return k.done(pathKeys, "keys_rotated")
}

func (k *desk) withdrawKey() error {
	if err := k.forAdministrators(); err != nil {
		return err
	}
	if err := k.Keys.Withdraw(k.Request().Context(), k.caller.Ref(), k.form.Get("key")); err != nil {
		return keyError(err)
	}
	return k.done(pathKeys, "key_withdrawn")
}
