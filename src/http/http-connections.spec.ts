import { EventEmitter } from 'node:events';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { HttpConnections } from './http-connections.js';

/** A connection on which nothing is ever answered, unless the test says so. */
function silentConnection() {
  const socket = Object.assign(new EventEmitter(), { writable: true, destroy: jest.fn() });
  const connection = new HttpConnections().of({
    socket: socket as unknown as Socket,
  } as IncomingMessage);
  const send = (start = jest.fn()) => {
    const response = Object.assign(new EventEmitter(), { closed: false });
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
