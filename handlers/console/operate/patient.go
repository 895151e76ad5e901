package operate

import (
	"time"

	"github.com/labstack/echo/v4"

	"github.com/claimsmith/claimsmith/handlers"
)

const (
	// patience is how long what looks at everybody may take, and stepTimeout each change of many.
	patience    = 2 * time.Minute
	stepTimeout = time.Second
)

// patient gives a handler more time than other requests have, once its form was accepted.
func patient(h handler) handler {
	return func(k *desk) error {
		return handlers.Unhurried(patience, func(echo.Context) error { return h(k) })(k.Context)
	}
}
