import { type auth, errors, types } from 'cassandra-driver';
import { buildInfo } from '../../../../build-info.js';
import type { Channel, Reply } from './channel.js';
import { bytesOf, OPCODE, type ProtocolVersion, ProtocolViolation, stringMap, VERSIONS } from './protocol.js';

const BAD_CREDENTIALS: number = types.responseErrorCodes.badCredentials;
const NOTHING = Buffer.alloc(0);
/** Every node answers OPTIONS in this version, and says which others it speaks. */
const FIRST_VERSION = 4;

/** Of Cassandra's query language, not of the protocol. The names show in the node's list of its clients. */
const STARTUP = { CQL_VERSION: '3.0.0', DRIVER_NAME: 'kask', DRIVER_VERSION: buildInfo.version };

/** From a connected socket to a connection that takes requests (section 4.1); resolves with the version both speak. */
export async function shakeHands(
  channel: Channel,
  address: string,
  provider: auth.AuthProvider | undefined,
  deadline: number,
): Promise<ProtocolVersion> {
  channel.speak(FIRST_VERSION);
  const version = newestOf(await channel.ask(FIRST_VERSION, OPCODE.options, NOTHING, deadline));
  channel.speak(version);
  const started = await channel.ask(version, OPCODE.startup, stringMap(STARTUP), deadline);
  if (version >= 5) channel.useSegments(version);
  if (started.opcode === OPCODE.ready) return version;
  if (started.opcode !== OPCODE.authenticate) throw new ProtocolViolation('STARTUP was not answered as such');
  const authenticator = authenticatorFor(provider, address, started.body.string());
  await authenticate(channel, version, authenticator, deadline);
  return version;
}

/** The node lists them as `5/v5`, and those that are not finished as `6/v6-beta`. */
function newestOf(supported: Reply): ProtocolVersion {
  if (supported.opcode !== OPCODE.supported) throw new ProtocolViolation('OPTIONS was not answered as such');
  const listed = supported.body.stringMultimap().get('PROTOCOL_VERSIONS') ?? [];
  return VERSIONS.find((version) => listed.includes(`${version}/v${version}`)) ?? FIRST_VERSION;
}

function authenticatorFor(
  provider: auth.AuthProvider | undefined,
  address: string,
  name: string,
): auth.Authenticator {
  if (!provider) throw new errors.AuthenticationError('Authentication provider not set');
  return provider.newAuthenticator(address, name);
}

/** SASL, by the driver's authenticators. */
async function authenticate(
  channel: Channel,
  version: ProtocolVersion,
  authenticator: auth.Authenticator,
  deadline: number,
): Promise<void> {
  let token = await promised((callback) => authenticator.initialResponse(callback));
  for (;;) {
    const reply = await answerTo(channel.ask(version, OPCODE.authResponse, bytesOf(token), deadline));
    if (reply.opcode === OPCODE.authSuccess) return;
    if (reply.opcode !== OPCODE.authChallenge)
      throw new ProtocolViolation('AUTH_RESPONSE was not answered as such');
    const challenge = reply.body.bytes() ?? NOTHING;
    token = await promised((callback) => authenticator.evaluateChallenge(challenge, callback));
  }
}

async function answerTo(pending: Promise<Reply>): Promise<Reply> {
  return pending.catch((error: unknown) => {
    const isRefusal = error instanceof errors.ResponseError && error.code === BAD_CREDENTIALS;
    throw isRefusal ? new errors.AuthenticationError(error.message) : error;
  });
}

function promised(
  call: (callback: (error: Error | null, token?: Buffer) => void) => void,
): Promise<Buffer | undefined> {
  return new Promise((resolve, reject) => call((error, token) => (error ? reject(error) : resolve(token))));
}
