package oidc

import (
	"net/http"
	"net/url"

	"github.com/labstack/echo/v4"

	"github.com/claimsmith/claimsmith/auth"
	"github.com/claimsmith/claimsmith/handlers/request"
)

// pushedBody is the answer to a pushed request (RFC 9126 §2.2).
type pushedBody struct {
	RequestURI string `json:"request_uri"`
	ExpiresIn  int64  `json:"expires_in"`
}

// push keeps an authorization request for the browser that its client will send (RFC 9126 §2.1).
func (d *Dialect) push(c echo.Context) error {
	client, form, keyThumbprint, err := d.begin(c)
	if err != nil {
		return err
	}
	uri, lifetime, err := d.Authorize.Push(c.Request().Context(), client, form, keyThumbprint, c.RealIP())
	if err != nil {
		return err
	}
	return respond(c, http.StatusCreated, pushedBody{RequestURI: uri, ExpiresIn: int64(lifetime.Seconds())})
}

// deviceBody is the answer to a device (RFC 8628 §3.2).
type deviceBody struct {
	DeviceCode              string `json:"device_code"`
	UserCode                string `json:"user_code"`
	VerificationURI         string `json:"verification_uri"`
	VerificationURIComplete string `json:"verification_uri_complete"`
	ExpiresIn               int64  `json:"expires_in"`
	Interval                int64  `json:"interval"`
}

// beginDevice starts the login of a device (RFC 8628 §3.1).
func (d *Dialect) beginDevice(c echo.Context) error {
	client, form, keyThumbprint, err := d.begin(c)
	if err != nil {
		return err
	}
	if err := auth.CheckResource(form.Get("resource")); err != nil {
		return err
	}
	device, err := d.Authorize.BeginDevice(c.Request().Context(), client, form.Get("scope"), form.Get("org"), keyThumbprint, c.RealIP())
	if err != nil {
		return err
	}
	page := d.Issuer + pathDevicePage
	return respond(c, http.StatusOK, deviceBody{
		DeviceCode: device.DeviceCode, UserCode: device.UserCode, VerificationURI: page,
		VerificationURIComplete: page + "?" + url.Values{"user_code": {device.UserCode}}.Encode(),
		ExpiresIn:               int64(device.Lifetime.Seconds()), Interval: int64(device.Interval.Seconds()),
	})
}

// begin reads what the two have in common: an authenticated client, the key it has, and its parameters.
func (d *Dialect) begin(c echo.Context) (client *auth.Client, form url.Values, keyThumbprint string, err error) {
	if form, err = request.DecodeForm(c.Request()); err != nil {
		return nil, nil, "", err
	}
	if client, err = d.client(c, form); err != nil {
		return nil, nil, "", err
	}
	keyThumbprint, err = d.Dispatcher.Prove(c.Request().Context(), d.proof(c))
	return client, form, keyThumbprint, err
}
