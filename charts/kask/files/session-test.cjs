// What `helm test` runs in the image: stores a session, reads it, deletes it, and looks that it is gone.
const { randomBytes } = require('node:crypto');
const { existsSync, readFileSync } = require('node:fs');

const { KASK_URL, SERVER_NAME, CERTIFICATES = '' } = process.env;
const client = require(KASK_URL.startsWith('https:') ? 'node:https' : 'node:http');
const url = `${KASK_URL}${encodeURIComponent(`helm:MWSession:${randomBytes(16).toString('hex')}`)}`;
const value = randomBytes(2000);

function pem(name) {
  const file = `${CERTIFICATES}/${name}`;
  return CERTIFICATES && existsSync(file) ? readFileSync(file) : undefined;
}

function ask(method, body) {
  const tls = { servername: SERVER_NAME, ca: pem('ca.crt'), cert: pem('tls.crt'), key: pem('tls.key') };
  return new Promise((resolve, reject) => {
    const request = client.request(url, { method, ...tls, timeout: 5000 }, async (answer) => {
      const parts = [];
      for await (const part of answer) parts.push(part);
      resolve({ status: answer.statusCode, body: Buffer.concat(parts) });
    });
    request.on('timeout', () => request.destroy(new Error('no answer within 5 s'))).on('error', reject);
    request.end(body);
  });
}

async function expect(method, status, body) {
  const answer = await ask(method, body);
  console.log(`${method}: ${answer.status}`);
  if (answer.status !== status) throw new Error(`${method}: expected ${status}: ${answer.body.toString()}`);
  return answer.body;
}

async function run() {
  await expect('POST', 201, value);
  if (!(await expect('GET', 200)).equals(value)) throw new Error('GET: another value than was stored');
  await expect('DELETE', 204);
  await expect('GET', 404);
}

run().catch((error) => {
  console.error(`failed: ${error.message}`);
  process.exitCode = 1;
});
