// Like visitors of a wiki, at about twenty requests a second: sessions that are stored, read, missed and ended.
import { randomBytes, randomInt } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';

const url = process.argv[2];
const sessions = Array.from({ length: 200 }, newSession);

for (;;) {
  await ask(randomInt(100)).catch((error) => console.error(String(error.cause ?? error)));
  await sleep(50);
}

async function ask(percent) {
  const which = randomInt(sessions.length);
  const session = sessions[which];
  if (percent < 27) return send('POST', session, randomBytes(randomInt(200, 4_000)));
  if (percent < 29) {
    sessions[which] = newSession();
    return send('DELETE', session);
  }
  return send('GET', percent < 32 ? newSession() : session);
}

async function send(method, session, body) {
  const answer = await fetch(url + encodeURIComponent(session), { method, body });
  await answer.arrayBuffer();
}

function newSession() {
  return `enwiki:MWSession:${randomBytes(16).toString('hex')}`;
}
