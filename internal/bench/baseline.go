package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
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
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
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
	e.POST("/oauth/code", func(c echo.Context) error { // an access token and an ID token
		metadata, err := rdb.HGetAll(c.Request().Context(), bareClaims).Result()
		if err != nil {
			return err
		}
		if _, err := signIDToken(rsaKey, addr, metadata); err != nil {
			return err
		}
		token, err := sign(metadata)
		if err != nil {
			return err
		}
		return respond(c, token)
	})
	e.POST("/oauth/dpop", func(c echo.Context) error { // the proof's signature, and nothing else of it
		_, err := jwt.Parse(c.Request().Header.Get("DPoP"), proofKey, jwt.WithValidMethods([]string{"ES256"}))
		if err != nil {
			return err
		}
		metadata, err := rdb.HGetAll(c.Request().Context(), bareClaims).Result()
		if err != nil {
			return err
		}
		token, err := sign(metadata)
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

// signIDToken signs an ID token as the product's are by default, with RS256.
func signIDToken(key *rsa.PrivateKey, addr string, metadata map[string]string) (string, error) {
	now := time.Now()
	claims := jwt.MapClaims{
		"iss": "http://" + addr, "sub": "jane", "aud": "bench", "iat": now.Unix(), "exp": now.Add(10 * time.Minute).Unix(),
		"auth_time": now.Unix(), "acr": "1", "amr": []string{"pwd"}, "at_hash": "hash", "sid": "session", "org": "default", "claims_rev": 1,
	}
	for k, v := range metadata {
		claims["metadata_"+k] = json.RawMessage(v)
	}
	return jwt.NewWithClaims(jwt.SigningMethodRS256, claims).SignedString(key)
}

// proofKey is the key in a proof's own header.
func proofKey(t *jwt.Token) (any, error) {
	jwk, _ := t.Header["jwk"].(map[string]any)
	point := []byte{4}
	for _, name := range []string{"x", "y"} {
		text, _ := jwk[name].(string)
		coordinate, err := base64.RawURLEncoding.DecodeString(text)
		if err != nil {
			return nil, err
		}
		point = append(point, coordinate...)
	}
	return ecdsa.ParseUncompressedPublicKey(elliptic.P256(), point)
}
