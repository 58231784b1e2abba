import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { Guardian } from './guardian.js';
import { MEDIAWIKI, requireMediaWiki, runPhp } from './php.js';

const SETTINGS = path.join(__dirname, 'mediawiki-settings.php');
const SESSIONS = path.join(__dirname, 'mediawiki-sessions.php');
const CLIENT_CALLS = path.join(__dirname, 'rest-bag-o-stuff.php');
const LOGS = ['sessions.log', 'errors.log'];

export interface SessionClient {
  /** URL under which the wiki's sessions live, such as `http://127.0.0.1:8081/sessions/v1/`. */
  sessionsUrl: string;
  /** PUT is the client's own default and is left to it; POST is the documented configuration. */
  writeMethod: 'PUT' | 'POST';
  serialization: 'JSON' | 'PHP';
}

/** What a call on the client gave: its result, or that it refused the value before sending anything. */
export interface ClientResult {
  result?: unknown;
  /** BagOStuff's error code; 0 is none. */
  error?: number;
  refused?: string;
}

/** A real MediaWiki on SQLite: installed once, then served for one session store after the other. */
export class MediaWiki {
  readonly id = 'testwiki';
  readonly admin = { name: 'Ada', password: 'correct horse battery staple' };
  /** Origin of the wiki while it is served. */
  url = '';
  private server: ChildProcess | undefined;
  private readonly guardian: Guardian;

  private constructor(private readonly directory: string) {
    this.guardian = new Guardian(directory);
  }

  static async install(): Promise<MediaWiki> {
    requireMediaWiki();
    const wiki = new MediaWiki(mkdtempSync(path.join(tmpdir(), 'kask-wiki-')));
    await wiki.runInstaller().catch((error: unknown) => {
      void wiki.remove();
      throw error;
    });
    return wiki;
  }

  /** Serves the wiki from now on with this session store, or these settings in PHP, and with empty logs. */
  async serve(client: SessionClient | string): Promise<void> {
    await this.stop();
    for (const name of LOGS) rmSync(path.join(this.directory, name), { force: true });
    // One process and no workers: those would outlive a server that is killed.
    const server = spawn('php', ['-S', '127.0.0.1:0', '-t', MEDIAWIKI], {
      env: this.environment(client),
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    this.server = server;
    this.guardian.watch([server.pid as number]);
    this.url = await originOf(server).catch(async (error: unknown) => {
      await this.stop();
      throw error;
    });
  }

  /** Stops the server; the installation stays and can be served again. */
  async stop(): Promise<void> {
    const server = this.server;
    this.server = undefined;
    if (server?.exitCode === null && server.signalCode === null) {
      server.kill('SIGKILL');
      await once(server, 'exit');
    }
    this.guardian.watch([]);
  }

  /** Stops the server and removes the installation. */
  async remove(): Promise<void> {
    await this.stop();
    await this.guardian.finish();
  }

  /** Runs a statement in the database of `CACHE_DB`. */
  async runOnCache(statement: string): Promise<void> {
    const database = `sqlite:${path.join(this.directory, 'wikicache.sqlite')}`;
    const script = '(new PDO($argv[1]))->exec($argv[2]);';
    await runPhp(['-r', script, database, statement], process.env);
  }

  /** Makes calls on the session store as the wiki's code would, each of them `[method, ...arguments]`. */
  async callClient(client: SessionClient, calls: unknown[][]): Promise<ClientResult[]> {
    const printed = await runPhp([CLIENT_CALLS], this.environment(client), JSON.stringify(calls));
    return JSON.parse(printed) as ClientResult[];
  }

  /** The requests that the session store answered since `serve()`, such as `GET 200`. */
  sessionRequests(): string[] {
    return this.log('sessions.log').flatMap((line) => {
      const [, method, code] = /HTTP complete: (\w+) \S+ code=(\d+)/.exec(line) ?? [];
      return method && code ? [`${method} ${code}`] : [];
    });
  }

  /** What the client of the session store complained about since `serve()`. */
  sessionComplaints(): string[] {
    return this.log('sessions.log').filter((line) => !/HTTP (start|complete): /.test(line));
  }

  /** Errors and exceptions of the wiki itself since `serve()`. */
  errors(): string[] {
    return this.log('errors.log');
  }

  private async runInstaller(): Promise<void> {
    const { directory, id, admin } = this;
    mkdirSync(path.join(directory, 'cache'));
    const place = ['--confpath', directory, '--dbtype', 'sqlite', '--dbpath', directory, '--dbname', id];
    const site = ['--server', 'http://127.0.0.1', '--scriptpath', '', '--skins', 'Vector'];
    const names = ['--pass', admin.password, 'Test wiki', admin.name];
    // Without this a wiki that the machine already has would be taken for the one to install.
    const env = { ...process.env, MW_CONFIG_FILE: path.join(directory, 'LocalSettings.php') };
    await runPhp([`${MEDIAWIKI}/maintenance/install.php`, ...place, ...site, ...names], env);
  }

  private environment(client: SessionClient | string): NodeJS.ProcessEnv {
    const place = {
      ...process.env,
      MW_INSTALL_PATH: MEDIAWIKI,
      MW_CONFIG_FILE: SETTINGS,
      WIKI_DIRECTORY: this.directory,
    };
    if (typeof client === 'string') return { ...place, WIKI_SESSION_SETTINGS: this.writeSettings(client) };
    return {
      ...place,
      WIKI_SESSION_SETTINGS: SESSIONS,
      WIKI_SESSIONS_URL: client.sessionsUrl,
      WIKI_WRITE_METHOD: client.writeMethod,
      WIKI_SERIALIZATION: client.serialization,
    };
  }

  /** The path of a file with these settings, by which the stores that they name log what they do. */
  private writeSettings(settings: string): string {
    const file = path.join(this.directory, 'SessionSettings.php');
    const log = `$wgDebugLogGroups['objectcache'] = "{$scenario['WIKI_DIRECTORY']}/sessions.log";`;
    writeFileSync(file, `<?php\n${settings}\n${log}\n`);
    return file;
  }

  private log(name: string): string[] {
    const file = path.join(this.directory, name);
    return existsSync(file) ? readFileSync(file, 'utf8').split('\n').filter(Boolean) : [];
  }
}

/** PHP picks a free port and says on standard error which. */
export async function originOf(server: ChildProcess): Promise<string> {
  let printed = '';
  server.stderr?.setEncoding('utf8').on('data', (text: string) => {
    if (printed.length < 10_000) printed += text;
  });
  const end = Date.now() + 20_000;
  while (Date.now() < end && server.exitCode === null) {
    const origin = /Development Server \((http:\S+)\) started/.exec(printed)?.[1];
    if (origin) return origin;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  throw new Error(`PHP's server did not start: ${printed}`);
}
