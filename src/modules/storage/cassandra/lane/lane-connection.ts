import { connect as connectTcp, type Socket } from 'node:net';
import { connect as connectTls, type ConnectionOptions } from 'node:tls';
import { type auth, errors, types } from 'cassandra-driver';
import type { SessionStatements, StatementName } from '../statements.js';
import { Channel, ConnectionLost, errorOf, type Receiver } from './channel.js';
import { ExecuteMessage, type Execution, type Row } from './execution.js';
import type { Frame } from './frame-reader.js';
import { shakeHands } from './handshake.js';
import {
  type BodyReader,
  openBody,
  OPCODE,
  prepareBody,
  type ProtocolVersion,
  ProtocolViolation,
  readPrepared,
  readRow,
  readVoid,
} from './protocol.js';
import { Expiring, type TimerWheel } from './timer-wheel.js';

/** What is read from the socket at once, in bytes. */
const READ_BYTES = 64 * 1024;
const UNPREPARED: number = types.responseErrorCodes.unprepared;
const NOTHING = Buffer.alloc(0);

export interface NodeOptions {
  /** As the driver names nodes: `host:port`. */
  address: string;
  host: string;
  port: number;
  tls: ConnectionOptions | undefined;
  authentication: auth.AuthProvider | undefined;
  /** For the whole way to a connection that takes requests, and for preparing a statement. */
  connectTimeoutMs: number;
  /** A connection that brought nothing for so long is asked whether it lives, and given up if it is silent as long again. */
  heartbeatMs: number;
  statements: SessionStatements;
  wheel: TimerWheel;
}

/** Who waits for an execution: exactly one of these is called, once. */
export interface Attempt {
  /** With what a read found. */
  answered(row: Row | undefined): void;
  failed(error: Error): void;
  /** The node was put aside meanwhile. */
  suspected?(): void;
}

/** A connection to one node for the statements of a session. */
export class LaneConnection {
  /** Called once, when it has ended. */
  onEnd: ((error: Error) => void) | undefined;
  private readonly messages: Partial<Record<StatementName, ExecuteMessage>> = {};
  private readonly preparing: Partial<Record<StatementName, Promise<void>>> = {};

  /**
   * Resolves with a connection that takes requests, or rejects with why there is none; in time either way, and at once
   * when `closing` is aborted.
   */
  static async open(options: NodeOptions, closing: AbortSignal): Promise<LaneConnection> {
    const { address, wheel, authentication, connectTimeoutMs } = options;
    const channel: Channel = new Channel(connect(options, receive), address, wheel);
    function receive(chunk: Buffer): void {
      channel.receive(chunk);
    }
    const close = (): void => channel.fail(new ConnectionLost('the connection was closed'));
    closing.addEventListener('abort', close);
    try {
      const deadline = performance.now() + connectTimeoutMs;
      const version = await shakeHands(channel, address, authentication, deadline);
      if (channel.ended) throw channel.ended; // with the last answer, before anybody could be told
      return new LaneConnection(channel, version, options);
    } catch (error) {
      channel.fail(error as Error);
      throw error instanceof ConnectionLost && error.cause ? error.cause : error;
    } finally {
      closing.removeEventListener('abort', close);
    }
  }

  private constructor(
    private readonly channel: Channel,
    private readonly version: ProtocolVersion,
    private readonly options: NodeOptions,
  ) {
    const heartbeat = setInterval(() => void this.beat(), options.heartbeatMs).unref();
    channel.onEnd = (error) => {
      clearInterval(heartbeat);
      this.onEnd?.(error);
    };
    // Or else the first requests would wait for it. Why it fails is told to those who need the statement.
    for (const name of Object.keys(options.statements) as StatementName[])
      this.prepare(name).catch(() => undefined);
  }

  get isOpen(): boolean {
    return this.channel.ended === undefined;
  }

  get inFlight(): number {
    return this.channel.inFlight;
  }

  /** Sends an execution. `deadline` is a time of `performance.now()`, in ms, past which its answer is of no use. */
  execute(execution: Execution, deadline: number, attempt: Attempt): void {
    this.send(new Sent(this, execution, deadline, attempt));
  }

  /** Whoever still waits is told that the connection was lost. */
  close(): void {
    this.channel.fail(new ConnectionLost('the connection was closed'));
  }

  /** See Channel. */
  suspect(): void {
    this.channel.suspect();
  }

  /** Sent once more where the node has forgotten the statement, as it may: what it keeps prepared is a cache. */
  sendPreparedAnew(sent: Sent): void {
    this.messages[sent.execution.statement] = undefined;
    this.send(sent);
  }

  private send(sent: Sent): void {
    const { channel } = this;
    if (channel.ended) return sent.failed(channel.ended);
    const message = this.messages[sent.execution.statement];
    if (!message) return this.sendPrepared(sent);
    const stream = channel.take(sent, sent.deadline);
    if (stream === undefined) return sent.failed(channel.busy());
    message.write(channel.outbox, stream, sent.execution);
  }

  private sendPrepared(sent: Sent): void {
    const { wheel } = this.options;
    const waiting = new Waiting(sent, this.channel);
    wheel.add(waiting, sent.deadline);
    const then = (next: () => void) => (): void => {
      if (!waiting.isOver) next();
      wheel.remove(waiting);
    };
    this.prepare(sent.execution.statement).then(
      then(() => this.send(sent)),
      (error: Error) => then(() => sent.failed(notPrepared(error)))(),
    );
  }

  /** Those who need it at the same time share one. */
  private prepare(name: StatementName): Promise<void> {
    return (this.preparing[name] ??= this.prepareNow(name).finally(() => (this.preparing[name] = undefined)));
  }

  private async prepareNow(name: StatementName): Promise<void> {
    const { statements, connectTimeoutMs } = this.options;
    const { cql, consistency } = statements[name];
    const deadline = performance.now() + connectTimeoutMs;
    const reply = await this.channel.ask(
      this.version,
      OPCODE.prepare,
      prepareBody(cql, this.version),
      deadline,
    );
    try {
      const prepared = readPrepared(reply.body, this.version);
      this.messages[name] = new ExecuteMessage(this.version, prepared, name, consistency);
    } catch (error) {
      this.channel.fail(error as Error);
      throw this.channel.ended ?? error;
    }
  }

  /** The unclean death of a node leaves a connection that says nothing: TCP alone would notice after many minutes. */
  private async beat(): Promise<void> {
    const { channel } = this;
    if (channel.hasReceived) {
      channel.hasReceived = false;
      return;
    }
    const deadline = performance.now() + this.options.heartbeatMs;
    await channel.ask(this.version, OPCODE.options, NOTHING, deadline).catch(() => {
      // A refusal is a sign of life too.
      if (!channel.hasReceived) channel.fail(new ConnectionLost(`${this.options.address} is silent`));
    });
  }
}

/** That a statement was not prepared in time is no end of the time for those who need it: another node may have it. */
function notPrepared(error: Error): Error {
  if (!(error instanceof errors.OperationTimedOutError)) return error;
  return new ConnectionLost('the statement was not prepared in time', { cause: error });
}

/** An execution on its way to a node and back. */
class Sent implements Receiver {
  private isRepeated = false;

  constructor(
    private readonly connection: LaneConnection,
    readonly execution: Execution,
    readonly deadline: number,
    private readonly attempt: Attempt,
  ) {}

  received({ opcode, flags, body, isOwn }: Frame): void {
    const reader = openBody(body, flags);
    if (opcode === OPCODE.error) return this.refused(errorOf(reader));
    if (opcode !== OPCODE.result) throw new ProtocolViolation('EXECUTE was not answered as such');
    const { statement } = this.execution;
    if (statement !== 'get' && statement !== 'getWritten') return this.done(reader);
    const row = readRow(reader, statement === 'getWritten');
    this.attempt.answered(row && !isOwn ? { ...row, value: Buffer.from(row.value) } : row);
  }

  failed(error: Error): void {
    this.attempt.failed(error);
  }

  suspected(): void {
    this.attempt.suspected?.();
  }

  private done(reader: BodyReader): void {
    readVoid(reader);
    this.attempt.answered(undefined);
  }

  private refused(error: errors.ResponseError): void {
    if (error.code !== UNPREPARED || this.isRepeated) return this.attempt.failed(error);
    this.isRepeated = true;
    this.connection.sendPreparedAnew(this);
  }
}

/** An execution that waits until its statement is prepared, no longer than for its answer. */
class Waiting extends Expiring {
  isOver = false;

  constructor(
    private readonly sent: Sent,
    private readonly channel: Channel,
  ) {
    super();
  }

  override expire(): void {
    this.isOver = true;
    this.sent.failed(this.channel.late());
  }
}

function connect({ host, port, tls }: NodeOptions, receive: (chunk: Buffer) => void): Socket {
  const socket = tls ? connectTls({ host, port, ...tls }) : connectInClear(host, port, receive);
  if (tls) socket.on('data', receive);
  return socket.setNoDelay(true);
}

/** Reads into one buffer, over and over; TLS has no such way. */
function connectInClear(host: string, port: number, receive: (chunk: Buffer) => void): Socket {
  const buffer = Buffer.allocUnsafeSlow(READ_BYTES);
  const callback = (bytes: number): boolean => {
    receive(buffer.subarray(0, bytes));
    return true;
  };
  return connectTcp({ host, port, onread: { buffer, callback } });
}
