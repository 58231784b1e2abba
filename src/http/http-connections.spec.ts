import { EventEmitter } from 'node:events';
import type { ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { HttpConnections } from './http-connections.js';

/** A connection on which nothing is ever answered, unless the test says so. */
function silentConnection() {
  const socket = Object.assign(new EventEmitter(), { writable: true, destroy: jest.fn(), end: jest.fn() });
  const connection = new HttpConnections().of({
    socket: socket as unknown as Socket,
  });
  const send = (start = jest.fn()) => {
    const response = Object.assign(new EventEmitter(), {
      closed: false,
      writableEnded: false,
      req: { complete: true },
    });
    connection.begin(response as unknown as ServerResponse, start);
    return { response, start };
  };
  return { socket, connection, send };
}

describe('requests that a client sends without waiting for answers', () => {
  it('are started one after the other', () => {
    const { send } = silentConnection();
    const [first, second] = [send(), send()];
    expect(first.start).toHaveBeenCalledTimes(1);
    expect(second.start).not.toHaveBeenCalled();
    first.response.emit('close');
    expect(second.start).toHaveBeenCalledTimes(1);
  });

  it('are not started when their connection is ending, however late they are read', () => {
    const { socket, send } = silentConnection();
    const { response } = send();
    response.closed = true;
    socket.writable = false;
    expect(send().start).not.toHaveBeenCalled();
  });

  it('are in flight until they are answered, and no more than a thousand of them', () => {
    const { socket, connection, send } = silentConnection();
    const first = send();
    for (let i = 1; i < 1_000; i++) send();
    expect(connection.requestsInFlight).toBe(1_000);
    first.response.emit('close');
    send();
    expect(socket.destroy).not.toHaveBeenCalled();
    send();
    expect(socket.destroy).toHaveBeenCalledTimes(1);
  });
});

describe('the answer to what could not be read', () => {
  it('comes at once where nothing else is to be answered', () => {
    const { socket, connection } = silentConnection();
    connection.endWith('400');
    connection.endWith('400');
    expect(socket.end.mock.calls).toEqual([['400']]);
  });

  it('comes after all others', () => {
    const { socket, connection, send } = silentConnection();
    const [first, second] = [send(), send()];
    connection.endWith('400');
    first.response.emit('close');
    expect(second.start).toHaveBeenCalledTimes(1);
    expect(socket.end).not.toHaveBeenCalled();
    second.response.emit('close');
    expect(socket.end.mock.calls).toEqual([['400']]);
  });

  it('is that to a request whose body cannot be read', () => {
    const { socket, connection, send } = silentConnection();
    const [first, second] = [send(), send()];
    second.response.req.complete = false;
    connection.endWith('400');
    first.response.emit('close');
    expect(second.start).not.toHaveBeenCalled();
    expect(socket.end.mock.calls).toEqual([['400']]);
  });

  it('is no second one to a request that has its answer', () => {
    const { socket, connection, send } = silentConnection();
    const { response } = send();
    response.req.complete = false;
    connection.endWith('400');
    response.emit('close');
    expect(socket.end.mock.calls).toEqual([['']]);
  });
});

describe('a client', () => {
  it('is owed an answer from the end of its request to that of the answer', () => {
    const { connection, send } = silentConnection();
    expect(connection.isOwed).toBe(false);
    const { response } = send();
    response.req.complete = false;
    expect(connection.isOwed).toBe(false);
    response.req.complete = true;
    expect(connection.isOwed).toBe(true);
    response.writableEnded = true;
    expect(connection.isOwed).toBe(false);
  });

  it('has 30 s to take each answer', () => {
    const { socket, connection, send } = silentConnection();
    const [first, second] = [send(), send()];
    first.response.writableEnded = true;
    connection.closeIfSlowToTake(0);
    connection.closeIfSlowToTake(29_999);
    first.response.closed = true;
    first.response.emit('close');
    connection.closeIfSlowToTake(30_000);
    second.response.writableEnded = true;
    connection.closeIfSlowToTake(40_000);
    connection.closeIfSlowToTake(69_999);
    expect(socket.destroy).not.toHaveBeenCalled();
    connection.closeIfSlowToTake(70_000);
    expect(socket.destroy).toHaveBeenCalledTimes(1);
  });
});
