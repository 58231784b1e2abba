import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { KaskProcess } from '../harness/kask.js';
import { pythonProgram } from '../harness/python-program.js';
import { REPOSITORY } from '../harness/repository.js';

const execute = promisify(execFile);

const INSTALL_MS = 300_000;
jest.setTimeout(INSTALL_MS);

const HOOKS = path.join(REPOSITORY, 'test/harness/schemathesis');
const EXAMPLES = 100;

/** Everything on one port, and conditions taken for every key. */
const SETTINGS = {
  storage: 'embedded',
  docs_page: true,
  management: { listen_address: '127.0.0.1', listen_port: 0 },
  namespaces: { all: { keys: ['*'], atomic: true } },
};

let schemathesis: string;
let directory: string;
beforeAll(async () => {
  schemathesis = await pythonProgram('schemathesis==4.32.5', 'schemathesis');
  directory = mkdtempSync(path.join(tmpdir(), 'kask-schemathesis-'));
});
afterAll(() => rmSync(directory, { recursive: true, force: true }));

/** All checks, on requests that the document allows and on such as it does not; a warning is a fault. */
async function look(kask: KaskProcess): Promise<{ status: number; summary: string }> {
  const args = ['--config-file', path.join(HOOKS, 'schemathesis.toml'), 'run', `${kask.management}/openapi`];
  const how = ['--checks', 'all', '--seed', '1', '--max-examples', String(EXAMPLES)];
  const env = {
    ...process.env,
    PYTHONPATH: HOOKS,
    SCHEMATHESIS_HOOKS: 'hooks',
    PYTHONDONTWRITEBYTECODE: '1',
  };
  try {
    const { stdout } = await execute(schemathesis, [...args, ...how, '--generation-database', 'none'], {
      cwd: directory,
      env,
    });
    return { status: 0, summary: stdout };
  } catch (error) {
    const { code, stdout, stderr } = error as { code: number; stdout: string; stderr: string };
    return { status: code, summary: stdout + stderr };
  }
}

describe('schemathesis', () => {
  it('finds nothing in the live service that its OpenAPI document does not say', async () => {
    const kask = await KaskProcess.start(SETTINGS);
    const { status, summary } = await look(kask);
    console.log(summary);
    expect(summary).toMatch(/(\d+) generated, \1 passed/);
    expect(summary).not.toContain('WARNINGS');
    expect(status).toBe(0);
    await kask.stop();
  });

  it('finds what a document does not say', async () => {
    const told = readFileSync(path.join(REPOSITORY, 'openapi/kask.yaml'), 'utf8');
    const file = path.join(directory, 'openapi.yaml');
    writeFileSync(file, told.replaceAll(/ +'404':\n +\$ref: .*\n/g, ''));
    const kask = await KaskProcess.start({ ...SETTINGS, openapi_spec: file });
    const { status, summary } = await look(kask);
    expect(summary).toContain('Undocumented status code');
    expect(status).toBe(1);
    await kask.stop();
  });
});
