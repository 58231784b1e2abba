import { KaskProcess } from './kask.js';

afterAll(() => KaskProcess.killAll());
