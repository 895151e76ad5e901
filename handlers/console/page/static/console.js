// What plain forms cannot do: passkeys, and sending an answer on without a press. It fills in forms of the page and submits them; it
// fetches nothing and keeps nothing. Its syntax is old on purpose: HtmlUnit, the browser of the OpenID Foundation's conformance suite,
// knows neither async functions nor const in loops, and sends no form_post on if it cannot read this.
"use strict";

// bytes and text are base64url decoded and encoded.
function bytes(text) {
  const decoded = atob(text.replace(/-/g, "+").replace(/_/g, "/"));
  return Uint8Array.from(decoded, (c) => c.charCodeAt(0));
}

function text(buffer) {
  const binary = Array.from(new Uint8Array(buffer), (b) => String.fromCharCode(b)).join("");
  return btoa(binary).replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");
}

// read turns the JSON form of WebAuthn options (Web Authentication Level 3 §5.1.8, §5.1.9) into what the browser takes.
function read(json) {
  const parsed = JSON.parse(json);
  const options = parsed.publicKey || parsed;
  options.challenge = bytes(options.challenge);
  if (options.user) {
    options.user.id = bytes(options.user.id);
  }
  [options.allowCredentials, options.excludeCredentials].forEach((list) => {
    (list || []).forEach((credential) => {
      credential.id = bytes(credential.id);
    });
  });
  return options;
}

// write turns a credential into its JSON form (§5.1.1).
function write(credential) {
  const from = credential.response;
  const response = { clientDataJSON: text(from.clientDataJSON) };
  if (from.attestationObject) {
    response.attestationObject = text(from.attestationObject);
    response.transports = from.getTransports ? from.getTransports() : [];
  } else {
    response.authenticatorData = text(from.authenticatorData);
    response.signature = text(from.signature);
    if (from.userHandle) {
      response.userHandle = text(from.userHandle);
    }
  }
  return JSON.stringify({
    id: credential.id, rawId: text(credential.rawId), type: credential.type, response: response,
    authenticatorAttachment: credential.authenticatorAttachment || undefined,
    clientExtensionResults: credential.getClientExtensionResults(),
  });
}

// ceremony runs a form's exchange with the authenticator and submits what comes of it.
function ceremony(form) {
  const button = form.querySelector("button[data-passkey]");
  const fault = form.querySelector("[data-fault]");
  let waiting = null;

  function run(conditional) {
    return new Promise((resolve) => {
      if (waiting) {
        waiting.abort();
      }
      waiting = new AbortController();
      const request = { publicKey: read(form.dataset.options), signal: waiting.signal };
      if (conditional) {
        request.mediation = "conditional";
      }
      const create = form.dataset.ceremony === "create";
      resolve(create ? navigator.credentials.create(request) : navigator.credentials.get(request));
    }).then((credential) => {
      if (credential) {
        form.elements.namedItem("response").value = write(credential);
        form.submit();
      }
    });
  }

  form.addEventListener("submit", (event) => {
    event.preventDefault();
    fault.hidden = true;
    button.disabled = true;
    run(false).catch(() => {
      button.disabled = false;
      fault.hidden = false;
    });
  });
  form.querySelectorAll("[data-scripted]").forEach((element) => {
    element.hidden = false;
  });

  const offered = PublicKeyCredential.isConditionalMediationAvailable;
  if (form.dataset.conditional !== undefined && offered) {
    offered.call(PublicKeyCredential).then((available) => available && run(true)).catch(() => {});
  }
}

if (window.PublicKeyCredential) {
  document.querySelectorAll("form[data-ceremony]").forEach(ceremony);
  document.querySelectorAll("[data-unscripted]").forEach((element) => {
    element.hidden = true;
  });
}

document.querySelectorAll("form[data-submit]").forEach((form) => form.submit());
