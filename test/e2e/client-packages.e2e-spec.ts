import { execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { KaskProcess } from '../harness/kask.js';
import { REPOSITORY } from '../harness/repository.js';

jest.setTimeout(180_000);

const PACKAGES = { 'kask-client': 'typescript', 'kask-express-session': 'express-session' };
/** What an application has beside them. */
const BESIDE = ['express', 'express-session', '@types/express', '@types/express-session', '@types/node'];

/** The packages as they would be published, installed in an application of somebody else. */
describe('the packages of the clients', () => {
  const directory = mkdtempSync(path.join(tmpdir(), 'kask-packages-'));
  const at = (...names: string[]): string => path.join(directory, ...names);
  let kask: KaskProcess;

  beforeAll(async () => {
    const beside = BESIDE.map((name) => [name, `file:${path.join(REPOSITORY, 'node_modules', name)}`]);
    const dependencies = Object.fromEntries(beside) as Record<string, string>;
    writeFileSync(at('package.json'), JSON.stringify({ type: 'module', dependencies }));
    for (const folder of Object.values(PACKAGES)) install(folder);
    kask = await KaskProcess.start({ storage: 'embedded' });
  });
  afterAll(async () => {
    await kask?.stop();
    rmSync(directory, { recursive: true });
  });

  /** As the README says, but that the clone has its packages already, and no registry is asked for any other. */
  function install(folder: string): void {
    const commands = blockOf(folder, 'sh').replace('npm ci && ', '').replaceAll('../shop', directory);
    expect(commands).toMatch(/^npm pack .*\ncd .* && npm install .*\n$/);
    const settings = { npm_config_offline: 'true', npm_config_audit: 'false' };
    run('sh', ['-ec', commands], REPOSITORY, settings);
  }

  /** The first block of a README in one language. */
  function blockOf(folder: string, language: string): string {
    const readme = readFileSync(path.join(REPOSITORY, 'clients', folder, 'README.md'), 'utf8');
    return readme.split(`\n\`\`\`${language}\n`)[1]?.split('```')[0] ?? '';
  }

  /** What somebody tries first. */
  function firstBlock(folder: string): string {
    const block = blockOf(folder, 'js');
    expect(block.split('\n').length).toBeLessThanOrEqual(11);
    return block.replace('http://127.0.0.1:8080', kask.origin);
  }

  function runModule(name: string, code: string): string {
    writeFileSync(at(name), code);
    return run(process.execPath, [at(name)], directory);
  }

  it('have what runs, its types, a README and a licence', () => {
    for (const name of Object.keys(PACKAGES)) {
      const files = readdirSync(at('node_modules', name), { recursive: true, encoding: 'utf8' }).sort();
      const others = files.filter((file) => !/^dist\/[\w-]+(\.d\.ts|\.js)$/.test(file));
      expect(others).toEqual(['LICENSE', 'README.md', 'dist', 'package.json']);
    }
  });

  it('need each other and nothing else', () => {
    const manifest = (name: string) =>
      JSON.parse(readFileSync(at('node_modules', name, 'package.json'), 'utf8')) as Record<string, unknown>;
    const client = manifest('kask-client');
    expect(client['dependencies'] ?? client['peerDependencies']).toBeUndefined();
    expect(manifest('kask-express-session')['dependencies']).toEqual({ 'kask-client': client['version'] });
  });

  it('begin as the README of kask-client says', () => {
    expect(runModule('first.mjs', firstBlock('typescript'))).toBe('a session of Alice\n');
  });

  it('begin as the README of kask-express-session says', () => {
    const visit = `
      app.get('/', ({ session }, response) => response.end(String((session.visits = (session.visits ?? 0) + 1))));
      const server = app.listen(0, '127.0.0.1', async () => {
        const url = 'http://127.0.0.1:' + server.address().port;
        const first = await fetch(url);
        const [cookie] = first.headers.getSetCookie();
        await first.text(); // express-session holds back the end of an answer until the session is stored
        console.log(await (await fetch(url, { headers: { cookie } })).text());
        process.exit();
      });`;
    expect(runModule('store.mjs', firstBlock('express-session') + visit)).toBe('2\n');
  });

  it('can be required, and keep no process alive', () => {
    const code = `
      const { KaskClient } = require('kask-client');
      const { KaskStore } = require('kask-express-session');
      const client = new KaskClient({ url: '${kask.origin}/sessions/v1/' });
      new KaskStore({ client }).get('absent', (error, session) => console.log(error, session));`;
    expect(runModule('required.cjs', code)).toMatch(/^null null$/m);
  });

  it('have types that a strict application compiles with', () => {
    writeFileSync(
      at('application.ts'),
      `import { KaskClient, KaskConflict, KaskError, KaskUnavailable, type Session } from 'kask-client';
       import { KaskStore } from 'kask-express-session';
       import session from 'express-session';
       const client = new KaskClient({ url: new URL('https://kask.example/v1/'), tls: { ca: 'pem', passphrase: 'p' }, retries: 0 });
       session({ secret: 'secret', store: new KaskStore({ client, prefix: 'shop:' }) });
       const read: Session | undefined = await client.get('key');
       const bytes: Uint8Array | undefined = read?.value;
       const { etag }: { etag: string } = await client.set('key', bytes ?? 'text', { ttl: 60, ifAbsent: true });
       const known: boolean = await client.touch('key', { ifMatch: etag });
       const error: KaskError = new KaskConflict('conflict');
       if (error instanceof KaskUnavailable) console.log(error.outcomeUnknown satisfies boolean, known);
       // @ts-expect-error -- it may not be there
       read.value;`,
    );
    const options = ['--strict', '--noEmit', '--module', 'nodenext', '--target', 'es2022', '--types', 'node'];
    run(
      process.execPath,
      [path.join(REPOSITORY, 'node_modules/typescript/bin/tsc'), ...options, 'application.ts'],
      directory,
    );
  });
});

function run(command: string, args: string[], cwd: string, settings: Record<string, string> = {}): string {
  const env = { ...process.env, ...settings };
  return execFileSync(command, args, { cwd, env, encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] });
}
