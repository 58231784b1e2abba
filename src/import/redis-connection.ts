import { connect, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import type { RedisAddress } from './redis-address.js';
import { RedisRefusal, type Reply, ReplyReader } from './redis-replies.js';

/** For a connection, and between two signs of life while replies are waited for, in ms. */
const PATIENCE_MS = 10_000;

/** Files in PEM have been read: contents, not paths. */
export interface RedisCredentials {
  password?: string;
  /** Without it the authorities that Node.js brings are trusted. */
  ca?: string;
  cert?: string;
  key?: string;
}

/** Redis cannot be reached, or went away. */
export class RedisAway extends Error {
  override readonly name = 'RedisAway';
}

interface Waiting {
  resolve: (reply: Reply) => void;
  reject: (reason: Error) => void;
}

/** One connection to one Redis. Commands may be sent without waiting for the replies to others. */
export class RedisConnection {
  private readonly waiting: Waiting[] = [];
  private readonly replies = new ReplyReader();
  private lost: RedisAway | undefined;

  private constructor(private readonly socket: Socket) {
    socket.setNoDelay(true);
    socket.setTimeout(PATIENCE_MS, () => this.isAwaited() && socket.destroy(new Error('it does not answer')));
    socket.on('data', (chunk) => this.take(chunk));
    // Of a name with several addresses the message is empty.
    socket.on('error', (error: NodeJS.ErrnoException) => this.lose(error.message || String(error.code)));
    socket.on('close', () => this.lose('it closed the connection'));
  }

  /** Throws RedisAway, or the RedisRefusal of who we say to be. */
  static async open(address: RedisAddress, credentials: RedisCredentials): Promise<RedisConnection> {
    const connection = new RedisConnection(openSocket(address, credentials));
    try {
      const { username, database } = address;
      const { password } = credentials;
      if (password !== undefined) await connection.ask('AUTH', ...(username ? [username] : []), password);
      await connection.ask('PING');
      if (database > 0) await connection.ask('SELECT', String(database));
      return connection;
    } catch (error) {
      connection.close();
      throw error;
    }
  }

  /** Throws the RedisRefusal, if it is one. */
  async ask(...words: (string | Buffer)[]): Promise<Reply> {
    const reply = await new Promise<Reply>((resolve, reject) => {
      if (this.lost) return reject(this.lost);
      this.waiting.push({ resolve, reject });
      this.send(written(words));
    });
    if (reply instanceof RedisRefusal) throw reply;
    return reply;
  }

  close(): void {
    this.socket.destroy();
  }

  /** What is asked in one turn of the event loop goes out together. */
  private send(command: Buffer): void {
    if (this.socket.writableCorked === 0) {
      this.socket.cork();
      setImmediate(() => this.socket.uncork());
    }
    this.socket.write(command);
  }

  private isAwaited(): boolean {
    return this.waiting.length > 0;
  }

  private take(chunk: Buffer): void {
    try {
      for (const reply of this.replies.read(chunk)) this.waiting.shift()?.resolve(reply);
    } catch (error) {
      this.socket.destroy(error as Error);
    }
  }

  private lose(why: string): void {
    this.lost ??= new RedisAway(why);
    for (const { reject } of this.waiting.splice(0)) reject(this.lost);
  }
}

function openSocket({ path, host, port, isTls }: RedisAddress, { ca, cert, key }: RedisCredentials): Socket {
  if (path) return connect({ path });
  return isTls ? connectTls({ host, port, ca, cert, key }) : connect({ host, port });
}

function written(words: readonly (string | Buffer)[]): Buffer {
  const parts = words.flatMap((word) => [`$${Buffer.byteLength(word)}\r\n`, word, '\r\n']);
  return Buffer.concat([`*${words.length}\r\n`, ...parts].map((part) => Buffer.from(part as string)));
}
