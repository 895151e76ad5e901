// An application on npm openid-client, and a service on npm jose, against a running issuer. Arguments: scenario, issuer, operator's token,
// password. It prints what the test compares and fails on everything unexpected.
import assert from 'node:assert/strict'
import http from 'node:http'
import * as jose from 'jose'
import * as oidc from 'openid-client'

const [scenario, issuer, operator, password] = process.argv.slice(2)
const redirect = 'http://localhost:3000/callback' // which dev allows web applications
const insecure = { execute: [oidc.allowInsecureRequests] } // loopback has no TLS

async function api(method, path, body) {
  const answer = await fetch(issuer + path, {
    method, body: body && JSON.stringify(body), headers: { authorization: `Bearer ${operator}`, 'content-type': 'application/json' },
  })
  const text = await answer.text()
  assert.ok(answer.ok, `${method} ${path}: ${answer.status} ${text}`)
  return text ? JSON.parse(text) : undefined
}

const client = (id, members) => api('POST', '/api/client', { client_id: id, redirect_uris: [redirect], ...members })

// A browser without JavaScript: cookies, redirects within the issuer, forms.
class Browser {
  cookies = new Map()

  async go(url, form) {
    for (;;) {
      const answer = await fetch(url, {
        method: form ? 'POST' : 'GET', body: form, redirect: 'manual',
        headers: { cookie: [...this.cookies].map((pair) => pair.join('=')).join('; '), ...(form && { origin: issuer }) },
      })
      for (const cookie of answer.headers.getSetCookie()) {
        const [name, value] = cookie.split(';')[0].split('=')
        this.cookies.set(name, value)
      }
      const location = answer.headers.get('location')
      if (!location) return { status: answer.status, html: await answer.text(), url }
      assert.equal(answer.status, 303)
      url = new URL(location, url).href
      form = undefined
      if (!url.startsWith(issuer + '/')) return { status: 303, url }
    }
  }

  // Presses the button with an id, after filling in fields.
  press(page, button, fields = {}) {
    for (const [, attributes, inner] of page.html.matchAll(/<form([^>]*)>(.*?)<\/form>/gs)) {
      const pressed = inner.match(new RegExp(`<button[^>]*id="${button}"[^>]*>`))
      if (!pressed) continue
      const form = new URLSearchParams()
      for (const [input] of inner.matchAll(/<input[^>]*>/g)) {
        const name = input.match(/name="([^"]*)"/)
        if (name) form.set(name[1], input.match(/value="([^"]*)"/)?.[1] ?? '')
      }
      const name = pressed[0].match(/name="([^"]*)"/)
      if (name) form.set(name[1], pressed[0].match(/value="([^"]*)"/)?.[1] ?? '')
      for (const [key, value] of Object.entries(fields)) form.set(key, value)
      return this.go(new URL(attributes.match(/action="([^"]*)"/)[1], page.url).href, form)
    }
    assert.fail(`no button ${button} in ${page.status} ${page.html}`)
  }

  async signIn(url) {
    const page = await this.go(url)
    return this.press(page, 'login', { username: 'jane.doe@example.com', password })
  }
}

// Code flow with PKCE: what the application gets, refreshes, asks about and ends.
async function code(config, browser, extra = {}, options = {}) {
  const verifier = oidc.randomPKCECodeVerifier()
  const expected = { pkceCodeVerifier: verifier, expectedState: oidc.randomState(), expectedNonce: oidc.randomNonce() }
  const parameters = {
    redirect_uri: redirect, scope: 'openid profile email', code_challenge: await oidc.calculatePKCECodeChallenge(verifier),
    code_challenge_method: 'S256', state: expected.expectedState, nonce: expected.expectedNonce, ...extra,
  }
  const url = options.pushed
    ? await oidc.buildAuthorizationUrlWithPAR(config, parameters, { DPoP: options.DPoP })
    : oidc.buildAuthorizationUrl(config, parameters)
  let page = await browser.signIn(url.href)
  if (page.status !== 303) page = await browser.press(page, 'approve')
  return oidc.authorizationCodeGrant(config, new URL(page.url), expected, undefined, { DPoP: options.DPoP })
}

const scenarios = {
  async web() {
    const { client_secret } = await client('node-web', { preset: 'web', post_logout_redirect_uris: ['https://app.example/bye'] })
    const config = await oidc.discovery(new URL(issuer), 'node-web', client_secret, undefined, insecure)
    const browser = new Browser()
    const tokens = await code(config, browser)
    const { sub } = tokens.claims()
    assert.equal(tokens.claims().metadata_theme, 'Dark Mode')
    assert.equal((await oidc.fetchUserInfo(config, tokens.access_token, sub)).metadata_theme, 'Dark Mode')
    const refreshed = await oidc.refreshTokenGrant(config, tokens.refresh_token)
    assert.equal(refreshed.claims().sub, sub)
    const live = await oidc.tokenIntrospection(config, refreshed.access_token)
    assert.ok(live.active && live.metadata_theme === 'Dark Mode')
    // A service on jose.
    const keys = jose.createRemoteJWKSet(new URL(config.serverMetadata().jwks_uri))
    const { payload } = await jose.jwtVerify(refreshed.access_token, keys, { issuer, audience: issuer, typ: 'at+jwt' })
    assert.equal(payload.metadata_theme, 'Dark Mode')
    await oidc.tokenRevocation(config, refreshed.refresh_token)
    await assert.rejects(oidc.refreshTokenGrant(config, refreshed.refresh_token), { error: 'invalid_grant' })
    const out = await browser.go(oidc.buildEndSessionUrl(config, {
      id_token_hint: refreshed.id_token, post_logout_redirect_uri: 'https://app.example/bye', state: 'later',
    }).href)
    assert.equal(out.url, 'https://app.example/bye?state=later')
    const silent = await browser.go(oidc.buildAuthorizationUrl(config, {
      redirect_uri: redirect, scope: 'openid', prompt: 'none', code_challenge: await oidc.calculatePKCECodeChallenge('x'.repeat(43)),
      code_challenge_method: 'S256',
    }).href)
    assert.equal(new URL(silent.url).searchParams.get('error'), 'login_required')
  },

  async spa() {
    await client('node-spa', { preset: 'spa' })
    const config = await oidc.discovery(new URL(issuer), 'node-spa', undefined, oidc.None(), insecure)
    const tokens = await code(config, new Browser(), { claims: JSON.stringify({ id_token: { name: { essential: true } } }) })
    assert.equal(tokens.claims().name, 'Jane Doe')
    assert.equal((await oidc.refreshTokenGrant(config, tokens.refresh_token)).claims().sub, tokens.claims().sub)
  },

  async strict() {
    const pair = await jose.generateKeyPair('ES256', { extractable: true })
    const jwk = { ...(await jose.exportJWK(pair.publicKey)), kid: 'k1', use: 'sig', alg: 'ES256' }
    await client('node-strict', { preset: 'strict', jwks: { keys: [jwk] } })
    const config = await oidc.discovery(
      new URL(issuer), 'node-strict', undefined, oidc.PrivateKeyJwt({ key: pair.privateKey, kid: 'k1' }), insecure)
    const DPoP = oidc.getDPoPHandle(config, await oidc.randomDPoPKeyPair('ES256'))
    const tokens = await code(config, new Browser(), {}, { pushed: true, DPoP })
    assert.equal(tokens.token_type, 'dpop')
    const { sub } = tokens.claims()
    assert.equal((await oidc.fetchUserInfo(config, tokens.access_token, sub, { DPoP })).sub, sub)
    await assert.rejects(oidc.fetchUserInfo(config, tokens.access_token, sub))
    const refreshed = await oidc.refreshTokenGrant(config, tokens.refresh_token, undefined, { DPoP })
    assert.equal(refreshed.claims().sub, sub)
    await assert.rejects(oidc.refreshTokenGrant(config, refreshed.refresh_token), { error: 'invalid_dpop_proof' })
    assert.ok((await oidc.tokenIntrospection(config, refreshed.access_token)).cnf.jkt)
  },

  async device() {
    await client('node-device', { preset: 'device', redirect_uris: [] })
    const config = await oidc.discovery(new URL(issuer), 'node-device', undefined, oidc.None(), insecure)
    const asked = await oidc.initiateDeviceAuthorization(config, { scope: 'openid profile' })
    const browser = new Browser()
    let page = await browser.go(asked.verification_uri_complete)
    if (/id="continue"/.test(page.html)) page = await browser.press(page, 'continue', { user_code: asked.user_code })
    page = await browser.press(page, 'login', { username: 'jane.doe@example.com', password })
    await browser.press(page, 'approve')
    const tokens = await oidc.pollDeviceAuthorizationGrant(config, asked)
    assert.equal(tokens.claims().metadata_theme, 'Dark Mode')
    assert.equal((await oidc.refreshTokenGrant(config, tokens.refresh_token)).claims().sub, tokens.claims().sub)
  },

  async machine() {
    const { client_secret } = await client('node-machine', { preset: 'machine', redirect_uris: [], scopes: ['iam/'] })
    const config = await oidc.discovery(new URL(issuer), 'node-machine', undefined, oidc.ClientSecretBasic(client_secret), insecure)
    const tokens = await oidc.clientCredentialsGrant(config, { scope: 'iam/' })
    const users = await fetch(`${issuer}/api/user`, { headers: { authorization: `Bearer ${tokens.access_token}` } })
    assert.equal(users.status, 200)
  },

  // A session that ends is told to the application's back channel, as a logout token it can verify.
  async logout() {
    const told = {}
    told.promise = new Promise((resolve) => { told.resolve = resolve })
    const server = http.createServer((request, response) => {
      let body = ''
      request.on('data', (part) => { body += part })
      request.on('end', () => {
        response.writeHead(204).end()
        told.resolve({ type: request.headers['content-type'], form: new URLSearchParams(body) })
      })
    })
    await new Promise((listening) => server.listen(0, '127.0.0.1', listening))
    const { client_secret } = await client('node-logout', {
      preset: 'web', backchannel_logout_uri: `http://127.0.0.1:${server.address().port}/logout`,
    })
    const config = await oidc.discovery(new URL(issuer), 'node-logout', client_secret, undefined, insecure)
    const browser = new Browser()
    const tokens = await code(config, browser)
    const page = await browser.go(oidc.buildEndSessionUrl(config, {}).href)
    await browser.press(page, 'logout')
    const { type, form } = await told.promise
    server.close()
    server.closeAllConnections()
    assert.equal(type, 'application/x-www-form-urlencoded')
    const keys = jose.createRemoteJWKSet(new URL(config.serverMetadata().jwks_uri))
    const { payload } = await jose.jwtVerify(form.get('logout_token'), keys, { issuer, audience: 'node-logout', typ: 'logout+jwt' })
    assert.deepEqual(payload.events, { 'http://schemas.openid.net/event/backchannel-logout': {} })
    assert.equal(payload.sid, tokens.claims().sid)
    assert.equal(payload.sub, tokens.claims().sub)
    assert.ok(payload.jti && payload.iat && payload.exp && !('nonce' in payload))
    await assert.rejects(oidc.refreshTokenGrant(config, tokens.refresh_token), { error: 'invalid_grant' })
  },
}

await scenarios[scenario]()
console.log('done')
