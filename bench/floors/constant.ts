import { serveFloor } from './floor.js';

// HTTP alone: every read is answered with the same bytes, of the length that is given.
const value = Buffer.alloc(Number(process.argv[2]), 'x');

serveFloor({ get: () => Promise.resolve(value), set: () => Promise.resolve() });
