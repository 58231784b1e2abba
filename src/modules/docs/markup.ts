import type { ApiDescription } from './api-description.js';
import { html, type Html, prose } from './html.js';
import { reference } from './reference.js';

/** Nothing from elsewhere, no script or style in the markup, and no form that a browser would send by itself. */
export const CONTENT_SECURITY_POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join('; ');

/** @param api what can be asked, or why the document that should tell cannot be read */
export function page(api: ApiDescription | Error, baseUri: string): string {
  const title = (api instanceof Error ? '' : api.title) || 'Kask';
  const content = html`
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <meta name="robots" content="noindex" />
        <title>${title}</title>
        <link rel="stylesheet" href="/docs/page.css" />
        <script type="module" src="/docs/page.js"></script>
      </head>
      <body data-base-uri="${baseUri}">
        <a class="skip" href="#try">Skip to the form</a>
        <header>
          <h1>${title}</h1>
          <p>Sessions are at <code>${baseUri}{key}</code></p>
          <nav aria-label="Beside the sessions">
            <a href="#reference">Reference</a>
            <a href="/openapi">OpenAPI</a>
            <a href="/healthz/ready">Health</a>
            <a href="/metrics">Metrics</a>
          </nav>
        </header>
        <main>
          <div class="work">${tryIt()} ${answer()}</div>
          ${state()} ${api instanceof Error ? unreadable(api) : reference(api)}
        </main>
      </body>
    </html>
  `;
  return `<!doctype html>${content.markup}`;
}

function tryIt(): Html {
  return html`
    <section aria-labelledby="try">
      <h2 id="try" tabindex="-1">Try it</h2>
      <noscript><p class="fault">The form needs JavaScript.</p></noscript>
      <form id="session" method="post" autocomplete="off">
        <div class="field">
          <label for="key">Key</label>
          <input
            id="key"
            required
            autocomplete="off"
            autocapitalize="none"
            spellcheck="false"
            aria-describedby="key-hint"
          />
          <p class="hint" id="key-hint">
            As it is, without percent-encoding. Keys and values stay in this page, and nothing of them is
            kept.
          </p>
        </div>
        <div class="field">
          <label for="value">Value</label>
          <textarea
            id="value"
            rows="4"
            autocomplete="off"
            autocapitalize="none"
            spellcheck="false"
            aria-describedby="value-hint"
          ></textarea>
          <p class="hint" id="value-hint">Sent by Store alone.</p>
        </div>
        <div class="row">
          <fieldset>
            <legend>Written as</legend>
            <label><input type="radio" name="notation" value="text" checked /> Text</label>
            <label><input type="radio" name="notation" value="hex" /> Hex</label>
          </fieldset>
          <div class="field">
            <label for="ttl"><code>Kask-TTL</code>, in seconds</label>
            <input id="ttl" inputmode="numeric" autocomplete="off" aria-describedby="ttl-hint" />
            <p class="hint" id="ttl-hint">Of Store and Renew. Empty: as configured.</p>
          </div>
        </div>
        <details class="conditions">
          <summary>Conditions</summary>
          <div class="row">
            <div class="field">
              <label for="if-match"><code>If-Match</code></label>
              <input id="if-match" autocomplete="off" spellcheck="false" />
            </div>
            <div class="field">
              <label for="if-none-match"><code>If-None-Match</code></label>
              <input id="if-none-match" autocomplete="off" spellcheck="false" />
            </div>
          </div>
          <p class="hint">
            Sent as they are: <code>*</code>, or ETags in their quotes.
            <button type="button" id="use-etag" class="plain">Put the last ETag into If-Match</button>
          </p>
        </details>
        <div class="actions">
          <button name="method" value="GET">Read</button>
          <button name="method" value="PUT">Store</button>
          <button name="method" value="PATCH">Renew</button>
          <button name="method" value="DELETE" class="danger">Delete</button>
        </div>
      </form>
    </section>
  `;
}

/** Only its first line is spoken as it changes: a value may be long. */
function answer(): Html {
  return html`
    <section class="answer" aria-labelledby="answer">
      <h2 id="answer">Answer</h2>
      <p id="outcome" role="status">Nothing was asked yet.</p>
      <div id="problem" hidden></div>
      <div id="shown" hidden>
        <div class="value-head">
          <h3 id="shown-title">Value</h3>
          <span id="shown-size"></span>
          <button type="button" id="switch" class="plain"></button>
          <a id="download" download="session.bin">Download</a>
        </div>
        <pre id="shown-value" tabindex="0" role="region" aria-labelledby="shown-title" translate="no"></pre>
      </div>
      <dl id="headers" class="headers" hidden></dl>
    </section>
  `;
}

function state(): Html {
  return html`
    <aside class="state" aria-labelledby="state">
      <h2 id="state">Service</h2>
      <p id="ready" role="status">Asking…</p>
      <ul id="reasons"></ul>
      <dl>
        <dt>Version</dt>
        <dd id="version">…</dd>
        <dt>Storage</dt>
        <dd id="storage">…</dd>
        <dt>Datacenters</dt>
        <dd id="datacenters">…</dd>
      </dl>
      <p class="hint" id="asked"></p>
    </aside>
  `;
}

function unreadable(why: Error): Html {
  return html`
    <section class="reference" aria-labelledby="reference">
      <h2 id="reference">Reference</h2>
      <div class="fault">
        <p>The OpenAPI document that <code>openapi_spec</code> names cannot be read:</p>
        ${prose(why.message)}
      </div>
    </section>
  `;
}
