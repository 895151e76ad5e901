package operate

import (
	"time"

	"github.com/labstack/echo/v4"

	"github.com/claimsmith/claimsmith/handlers"
)

// stepTimeout is how long each change of many may take.
const stepTimeout = time.Second

// patient gives a handler more time than other requests have, once its form was accepted.
func patient(h handler) handler {
	return func(k *desk) error {
		return handlers.Patient(func(echo.Context) error { return h(k) })(k.Context)
	}
}
