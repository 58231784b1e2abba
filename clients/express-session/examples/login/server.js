// Who is logged in is kept in Kask. KASK_URL and PORT say where that is, and where this listens.
import { scryptSync, timingSafeEqual } from 'node:crypto';
import express from 'express';
import session from 'express-session';
import { KaskClient, KaskUnavailable } from 'kask-client';
import { KaskStore } from 'kask-express-session';

const { KASK_URL = 'http://127.0.0.1:8080/sessions/v1/', PORT = '3001' } = process.env;
const store = new KaskStore({ client: new KaskClient({ url: KASK_URL }), prefix: 'login-example:' });
const passwords = new Map([['ada', hash('correct horse battery staple')]]);

const app = express();
app.use(express.urlencoded({ extended: false }));
app.use(
  session({
    store,
    secret: process.env.SESSION_SECRET ?? 'only for trying this out',
    name: 'session',
    resave: false,
    saveUninitialized: false,
    rolling: true,
    cookie: { maxAge: 3_600_000, sameSite: 'lax', secure: 'auto' },
  }),
);

app.get('/', ({ session }, response) => {
  if (!session.user) return response.send(loginForm(''));
  // Only read: a page that is slow and writes would bring back a session that was logged out meanwhile.
  response.send(
    page(`<p>${session.user} is logged in since ${session.since}.</p>
    <form method="post" action="/logout"><button>Log out</button></form>`),
  );
});

app.post('/login', (request, response, next) => {
  const { user = '', password = '' } = request.body ?? {};
  if (!isPassword(user, password)) return response.status(403).send(loginForm('That is not right.'));
  // Under a new id: one that somebody planted in this browser must not become that of a login.
  request.session.regenerate((error) => {
    if (error && !isPending(error)) return next(error);
    Object.assign(request.session, { user, since: new Date().toISOString() });
    // Before the answer, so that an error is told, and the next page finds the session.
    request.session.save((error) => (error ? next(error) : response.redirect('/')));
  });
});

app.post('/logout', (request, response, next) => {
  request.session.destroy((error) => {
    if (error && !isPending(error)) return next(error);
    response.clearCookie('session');
    if (!error) return response.redirect('/');
    response.send(page('<p>You are being logged out. Not every datacenter knows it yet.</p>'));
  });
});

// An outage is told as what it is, and the cookie stays.
app.use((error, _request, response, next) => {
  if (!(error instanceof KaskUnavailable) || response.headersSent) return next(error);
  response
    .status(503)
    .send(page('<p>Sessions cannot be reached now. Try again: nobody is logged out by this.</p>'));
});

const server = app.listen(Number(PORT), '127.0.0.1', () => {
  console.log(`http://127.0.0.1:${server.address().port}`);
});

/** A datacenter has not acknowledged the delete. Kask repeats it until each has. */
function isPending({ problem }) {
  return problem === 'delete_pending';
}

function isPassword(user, password) {
  const expected = passwords.get(user);
  return expected !== undefined && timingSafeEqual(expected, hash(password));
}

function hash(password) {
  return scryptSync(password, 'a salt for each user, in earnest', 32);
}

function loginForm(message) {
  return page(`<p>${message}</p>
    <form method="post" action="/login">
      <label>User <input name="user" autocomplete="username"></label>
      <label>Password <input name="password" type="password" autocomplete="current-password"></label>
      <button>Log in</button>
    </form>`);
}

function page(body) {
  return `<!doctype html><html lang="en"><title>Login</title>${body}</html>`;
}
