package main

import (
	"bytes"
	"image"
	"image/color"
	"image/jpeg"
	"image/png"
	"mime/multipart"
	"net/http"
	"net/textproto"
	"strconv"
	"strings"
	"testing"

	"github.com/claimsmith/claimsmith/internal/redistest"
)

// painted is a PNG of one colour.
func painted(t testing.TB, c color.Color) string {
	t.Helper()
	m := image.NewRGBA(image.Rect(0, 0, 200, 150))
	for y := range 150 {
		for x := range 200 {
			m.Set(x, y, c)
		}
	}
	var b bytes.Buffer
	if err := png.Encode(&b, m); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// pictureForm is a form with a file, and the media type it is sent as.
func pictureForm(t testing.TB, field, fileName, mediaType, content string) (body, contentType string) {
	t.Helper()
	var b bytes.Buffer
	form := multipart.NewWriter(&b)
	part, err := form.CreatePart(textproto.MIMEHeader{
		"Content-Disposition": {`form-data; name="` + field + `"; filename="` + fileName + `"`}, "Content-Type": {mediaType},
	})
	if err == nil {
		_, err = part.Write([]byte(content))
	}
	if err != nil || form.Close() != nil {
		t.Fatal(err)
	}
	return b.String(), form.FormDataContentType()
}

func (w *world) sendPicture(target, bearer, fileName, mediaType, content string) answer {
	w.t.Helper()
	body, contentType := pictureForm(w.t, "file", fileName, mediaType, content)
	return w.post(target, bearer, body, "Content-Type", contentType)
}

// pictureOf reads what an account says of a person's picture.
func (w *world) pictureOf(username, bearer string) (shown bool, addresses map[string]string) {
	w.t.Helper()
	images, _ := w.get("/api/user/v1/accounts/"+username, bearer).want(w.t, 200).json(w.t)["profile_image"].(map[string]any)
	addresses = map[string]string{}
	for name, value := range images {
		if address, ok := value.(string); ok {
			addresses[strings.TrimPrefix(name, "image_url_")] = address
		}
	}
	shown, _ = images["has_image"].(bool)
	return shown, addresses
}

func TestPictures(t *testing.T) {
	t.Parallel()
	redistest.Each(t, func(t *testing.T, b redistest.Backend) {
		w := newWorld(t, b.Client)
		access := w.login().text(t, "access_token")
		const path = "/api/user/v1/accounts/jane/image"
		if shown, standard := w.pictureOf("jane", access); shown {
			t.Error("there is a picture already")
		} else {
			for name, address := range standard {
				a := w.get(strings.TrimPrefix(address, testIssuer), "").want(t, 200)
				if c, err := png.DecodeConfig(strings.NewReader(a.body)); err != nil || c.Width != c.Height || a.header.Get("Content-Type") != "image/png" {
					t.Errorf("%s: %+v, %v", name, c, err)
				}
			}
		}

		uploads := []string{"/api/profile_images/v1/jane/upload", path, "/lms" + path, "/edx" + path + "/", "/lms/api/profile_images/v1/jane/upload/"}
		var last map[string]string
		for _, target := range uploads {
			w.sendPicture(target, access, "me.png", "image/png", painted(t, color.RGBA{200, 30, 30, 255})).want(t, 204)
			shown, addresses := w.pictureOf("jane", access)
			if !shown || len(addresses) != 4 {
				t.Fatalf("%s: %v", target, addresses)
			}
			for name, address := range last {
				w.get(strings.TrimPrefix(address, testIssuer), "").want(t, 404)
				if addresses[name] == address {
					t.Errorf("%s: another picture has the same address", name)
				}
			}
			last = addresses
		}
		for name, size := range map[string]int{"full": 500, "large": 120, "medium": 50, "small": 30} {
			if !strings.HasSuffix(last[name], "/"+strconv.Itoa(size)+".jpg") || strings.Contains(last[name], "jane") {
				t.Errorf("%s is at %s", name, last[name])
			}
			a := w.get(strings.TrimPrefix(last[name], testIssuer), "").want(t, 200)
			if m, err := jpeg.Decode(strings.NewReader(a.body)); err != nil || m.Bounds().Dx() != size || m.Bounds().Dy() != size {
				t.Errorf("%s: %v", name, err)
			}
			for header, want := range map[string]string{
				"Content-Type": "image/jpeg", "X-Content-Type-Options": "nosniff", "Content-Security-Policy": "sandbox; default-src 'none'",
				"Cache-Control": "public, max-age=31536000, immutable", "Cross-Origin-Resource-Policy": "cross-origin", "Set-Cookie": "",
			} {
				if got := a.header.Get(header); got != want {
					t.Errorf("%s is %q", header, got)
				}
			}
		}
		// The standard claim is the address of the largest one.
		scoped := w.get("/oauth/userinfo", access).want(t, 200).json(t)
		if scoped["picture"] != last["full"] {
			t.Errorf("userinfo has %v, the account %s", scoped["picture"], last["full"])
		}

		// One that an operator names stands in its place.
		w.patch("/api/user/jane", adminToken, `{"profile":{"name":"Jane Doe","picture":"https://people.example/jane.png"}}`).want(t, 200)
		if shown, addresses := w.pictureOf("jane", access); !shown || addresses["full"] != "https://people.example/jane.png" {
			t.Error(addresses)
		}

		removals := []struct{ method, target string }{
			{"DELETE", path}, {"DELETE", "/lms" + path + "/"}, {"POST", "/edx/api/profile_images/v1/jane/remove"},
		}
		for _, remove := range removals {
			w.sendPicture(path, access, "me.png", "image/png", painted(t, color.White)).want(t, 204)
			_, last = w.pictureOf("jane", access)
			for range 2 {
				w.send(remove.method, remove.target, access, "").want(t, 204)
			}
			w.get(strings.TrimPrefix(last["full"], testIssuer), "").want(t, 404)
			if shown, _ := w.pictureOf("jane", access); shown {
				t.Errorf("there is a picture after %s", remove.target)
			}
			if got := w.get("/oauth/userinfo", access).want(t, 200).json(t)["picture"]; got != nil {
				t.Errorf("userinfo has %v", got)
			}
		}
	})
}

func TestPicturesAreOnesOwn(t *testing.T) {
	t.Parallel()
	c := newCast(t, redistest.Embedded(t))
	picture := painted(t, color.White)
	mine := c.loginAs(c.acme.user, "").text(t, "access_token")
	for name, test := range map[string]struct {
		bearer, username string
		status           int
	}{
		"oneself":                        {mine, "acme-user", 204},
		"a colleague":                    {mine, "acme-other", 404},
		"somebody elsewhere":             {mine, "globex-user", 404},
		"nobody":                         {mine, "nobody", 404},
		"an operator":                    {c.acme.operator, "acme-user", 403},
		"a reader":                       {c.acme.reader, "acme-user", 403},
		"a machine":                      {c.acme.machineToken, "acme-user", 403},
		"an operator, of nobody":         {c.acme.operator, "nobody", 403},
		"an operator, of another's":      {c.globex.operator, "acme-user", 403},
		"an administrator":               {adminToken, "jane", 403},
		"a client that manages nothing":  {c.acme.plainToken, "acme-user", 401},
		"nobody at all":                  {"", "acme-user", 401},
		"somebody with another's secret": {"cs_at_x", "acme-user", 401},
	} {
		for _, call := range []func() answer{
			func() answer {
				return c.sendPicture("/lms/api/user/v1/accounts/"+test.username+"/image", test.bearer, "me.png", "image/png", picture)
			},
			func() answer { return c.delete("/lms/api/user/v1/accounts/"+test.username+"/image", test.bearer) },
		} {
			if got := call(); got.status != test.status {
				t.Errorf("%s: %d %s", name, got.status, got.body)
			}
		}
	}
}

func TestPicturesThatAreRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t, redistest.Embedded(t).Client)
	access := w.login().text(t, "access_token")
	const path = "/lms/api/user/v1/accounts/jane/image"
	good := painted(t, color.Black)
	refused := func(a answer, says string) {
		t.Helper()
		body := a.want(t, 400).json(t)
		for _, member := range []string{"developer_message", "user_message"} {
			if said, _ := body[member].(string); len(body) != 2 || said != says {
				t.Errorf("%s, not %s", a.body, says)
			}
		}
	}
	body, form := pictureForm(t, "picture", "me.png", "image/png", good)
	refused(w.post(path, access, body, "Content-Type", form), "No file provided for profile image")
	refused(w.post(path, access, ""), "No file provided for profile image")
	refused(w.sendPicture(path, access, "me.png", "image/png", good[:99]), "The file must be at least 100 bytes in size.")
	refused(w.sendPicture(path, access, "me.png", "image/png", good+strings.Repeat("\x00", 1<<20)), "The file must be smaller than 1 MB in size.")
	refused(w.sendPicture(path, access, "me.bmp", "image/bmp", good), "The file must be one of the following types: .jpeg, .jpg, .png, .gif.")
	refused(w.sendPicture(path, access, "me.png", "image/gif", good), "The Content-Type of the file is not the one of its extension.")
	refused(w.sendPicture(path, access, "me.gif", "image/gif", good), "The content of the file is not what its extension says.")
	w.post(path, access, good, "Content-Type", "image/png").want(t, 415)
	w.post(path, access, body[:len(body)-10], "Content-Type", form).want(t, 400)
	w.post(path, access, `{}`).want(t, 415)
	w.sendPicture(path, access, "me.png", "image/png", good+strings.Repeat("\x00", 3<<20)).want(t, 400)
	long, form := pictureForm(t, "before", "me.png", "image/png", strings.Repeat("x", 3<<20))
	refused(w.post(path, access, long, "Content-Type", form), "The file must be smaller than 1 MB in size.")
	w.put(path, access, body, "Content-Type", form).want(t, 405)
	if shown, addresses := w.pictureOf("jane", access); shown {
		t.Error(addresses)
	}
}

// TestAddressesOfPictures: what is no picture's is nothing, and nobody finds one by its owner.
func TestAddressesOfPictures(t *testing.T) {
	t.Parallel()
	w := newWorld(t, redistest.Embedded(t).Client)
	access := w.login().text(t, "access_token")
	w.sendPicture("/api/user/v1/accounts/jane/image", access, "me.png", "image/png", painted(t, color.Black)).want(t, 204)
	_, addresses := w.pictureOf("jane", access)
	base := strings.TrimSuffix(strings.TrimPrefix(addresses["full"], testIssuer), "500.jpg")
	for _, target := range []string{
		"/picture", "/picture/", "/picture/jane", "/picture/jane/500.jpg", "/picture/jane-id/500.jpg", base, base + "501.jpg", base + "500.png", base + "0500.jpg",
		base + "500.jpg/", base + "500.jpg/x", base + "..%2f500.jpg", base + "%2e%2e/500.jpg", strings.ToUpper(base) + "500.jpg",
		strings.Replace(base, ".", "/", 1) + "500.jpg", strings.TrimSuffix(base, "/") + "%2F500.jpg", strings.TrimSuffix(base, "/") + "a/500.jpg",
		"/picture/default_500.jpg", "/picture/default_40.png", "/picture/..%2fclaimsmith", "/picture/%00/500.jpg", "/picture/people/jane-id",
	} {
		a := w.get(target, "")
		if a.status != 404 && !(a.status == 400 && strings.Contains(target, "%")) || strings.HasPrefix(a.header.Get("Content-Type"), "image/") || strings.Contains(a.header.Get("Cache-Control"), "public") {
			t.Errorf("%s: %d %s", target, a.status, a.header)
		}
	}
	w.send(http.MethodHead, addresses["small"][len(testIssuer):], "", "").want(t, 200)
	w.post(base+"500.jpg", "", "x").want(t, 405)
}

// TestPicturesGoWithThePerson: an erased person's picture is gone.
func TestPicturesGoWithThePerson(t *testing.T) {
	t.Parallel()
	w := newWorld(t, redistest.Embedded(t).Client)
	access := w.login().text(t, "access_token")
	w.sendPicture("/api/user/v1/accounts/jane/image", access, "me.png", "image/png", painted(t, color.Black)).want(t, 204)
	_, addresses := w.pictureOf("jane", access)
	w.delete("/api/user/jane", adminToken).want(t, 204)
	for _, address := range addresses {
		w.get(strings.TrimPrefix(address, testIssuer), "").want(t, 404)
	}
}

// TestPicturesStayWhenPeopleMove: what an export tells to import does not lead to a picture that is kept here.
func TestPicturesStayWhenPeopleMove(t *testing.T) {
	t.Parallel()
	w := newWorld(t, redistest.Embedded(t).Client)
	w.sendPicture("/api/user/v1/accounts/jane/image", w.login().text(t, "access_token"), "me.png", "image/png", painted(t, color.Black)).want(t, 204)
	w.patch("/api/user/jane", adminToken, `{"profile":{"given_name":"Jane"}}`).want(t, 200)
	if a := w.get("/api/user/export", adminToken).want(t, 200); strings.Contains(a.body, "/picture/") || !strings.Contains(a.body, `"given_name":"Jane"`) {
		t.Errorf("the picture kept here: %s", a.body)
	}
	const elsewhere = `"picture":"https://cdn.example/jane.jpg"`
	w.patch("/api/user/jane", adminToken, `{"profile":{`+elsewhere+`}}`).want(t, 200)
	if a := w.get("/api/user/export", adminToken).want(t, 200); !strings.Contains(a.body, elsewhere) {
		t.Errorf("an operator's picture: %s", a.body)
	}
}
