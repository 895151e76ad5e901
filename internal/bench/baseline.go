package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"net/http"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/labstack/echo/v4"
	"github.com/redis/go-redis/v9"
)

// What the baseline reads and writes: bare hashes beside the product's data.
const (
	bareClaims  = "bare:claims"
	bareEntries = "bare:entries"
)

// serveBaseline is the least a server can do for the same answers: Echo, go-redis and golang-jwt with their defaults, no client
// authentication, no rotation, no checks. It is what the product's figures are divided by.
func serveBaseline(addr, redisAddr string) error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	rdb := redis.NewClient(&redis.Options{Addr: redisAddr})
	e := echo.New()
	e.HideBanner, e.HidePort = true, true

	sign := func(metadata map[string]string) (string, error) {
		now := time.Now()
		claims := jwt.MapClaims{
			"iss": "http://" + addr, "sub": "jane", "aud": "http://" + addr, "iat": now.Unix(), "exp": now.Add(10 * time.Minute).Unix(),
			"jti": rand.Text(), "client_id": "bench", "scope": "profile", "auth_time": now.Unix(), "acr": "1", "amr": []string{"pwd"},
			"sid": "session", "org": "default", "claims_rev": 1,
		}
		for k, v := range metadata {
			claims["metadata_"+k] = json.RawMessage(v)
		}
		token := jwt.NewWithClaims(jwt.SigningMethodES256, claims)
		token.Header["typ"], token.Header["kid"] = "at+jwt", "key"
		return token.SignedString(key)
	}
	respond := func(c echo.Context, token string) error {
		return c.JSON(http.StatusOK, map[string]any{
			"access_token": token, "token_type": "Bearer", "expires_in": 600, "refresh_token": rand.Text() + rand.Text(), "scope": "profile",
		})
	}
	e.POST("/oauth/token", func(c echo.Context) error {
		claims, err := rdb.HGetAll(c.Request().Context(), bareClaims).Result()
		if err != nil {
			return err
		}
		token, err := sign(claims)
		if err != nil {
			return err
		}
		return respond(c, token)
	})
	e.POST("/sign", func(c echo.Context) error {
		token, err := sign(nil)
		if err != nil {
			return err
		}
		return respond(c, token)
	})
	e.GET("/entry/:user/:key", func(c echo.Context) error {
		entries, err := rdb.HGetAll(c.Request().Context(), bareEntries).Result()
		if err != nil {
			return err
		}
		return c.JSON(http.StatusOK, map[string]any{"key": c.Param("key"), "value": json.RawMessage(entries[c.Param("key")]), "profileClaim": true})
	})
	e.PUT("/entry/:user/:key", func(c echo.Context) error {
		var body struct {
			Value        json.RawMessage `json:"value"`
			ProfileClaim bool            `json:"profileClaim"`
		}
		if err := c.Bind(&body); err != nil {
			return err
		}
		if err := rdb.HSet(c.Request().Context(), bareEntries, c.Param("key"), []byte(body.Value)).Err(); err != nil {
			return err
		}
		return c.JSON(http.StatusOK, map[string]any{"key": c.Param("key"), "value": body.Value, "profileClaim": body.ProfileClaim})
	})
	return e.Start(addr)
}
