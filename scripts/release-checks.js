// What is looked at before a release: known vulnerabilities, the registry's signatures, and the bill of materials, which
// is written to the path that is given. Ends with 1 unless all were seen to be right: a registry without an answer leaves
// a check "not checked". The name of a check after the path asks for that one alone.
import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';

const root = path.resolve(import.meta.dirname, '..');
const manifest = readJson('package.json');
const lock = readJson('package-lock.json');
/** One try more after a second, and half a minute for an answer: a release does not wait for a registry that is away. */
const PATIENCE = ['--fetch-retries=1', '--fetch-retry-mintimeout=1000', '--fetch-timeout=30000'];

const [, , sbomFile = path.join(root, 'dist/sbom.cdx.json'), ...wantedChecks] = process.argv;
const checks = {
  vulnerabilities: knownVulnerabilities,
  signatures: registrySignatures,
  'bill of materials': () => billOfMaterials(sbomFile),
};
for (const [name, check] of Object.entries(checks)) {
  if (wantedChecks.length > 0 && !wantedChecks.includes(name)) continue;
  const { outcome, detail } = check();
  console.log(`${name}: ${outcome}: ${detail}`);
  if (outcome !== 'passed') process.exitCode = 1;
}

function knownVulnerabilities() {
  const { answer, why } = npm(['audit', ...PATIENCE], root);
  if (!answer?.auditReportVersion) return { outcome: 'not checked', detail: why };
  const vulnerable = Object.keys(answer.vulnerabilities);
  if (vulnerable.length > 0) return { outcome: 'failed', detail: vulnerable.join(', ') };
  return {
    outcome: 'passed',
    detail: `none is known of ${answer.metadata.dependencies.total} packages`,
  };
}

function registrySignatures() {
  const { status, answer, why } = npm(['audit', 'signatures', ...PATIENCE], root);
  if (!answer?.invalid || !answer.missing) return { outcome: 'not checked', detail: why };
  const wrong = [...answer.invalid, ...answer.missing].map(({ name, version }) => `${name}@${version}`);
  if (status !== 0 || wrong.length > 0) return { outcome: 'failed', detail: wrong.join(', ') };
  return { outcome: 'passed', detail: 'every installed package is signed by the registry' };
}

function billOfMaterials(file) {
  const { answer, why } = npm(
    ['sbom', '--sbom-format=cyclonedx', '--sbom-type=application', '--package-lock-only'],
    productionOnly(),
  );
  if (answer?.bomFormat !== 'CycloneDX') return { outcome: 'not checked', detail: why };
  const listed = answer.components.map(({ name, version, hashes }) => entry(name, version, sha512Of(hashes)));
  const wanted = productionPackages().map(([place, { version, integrity }]) =>
    entry(place.split('node_modules/').at(-1), version, integrity),
  );
  const missing = wanted.filter((each) => !listed.includes(each));
  const foreign = listed.filter((each) => !wanted.includes(each));
  if (missing.length + foreign.length > 0)
    return { outcome: 'failed', detail: `missing: ${missing.join(', ')}; not ours: ${foreign.join(', ')}` };
  mkdirSync(path.dirname(file), { recursive: true });
  writeFileSync(file, `${JSON.stringify(reproducible(answer), undefined, 2)}\n`);
  return { outcome: 'passed', detail: `${listed.length} packages in ${file}` };
}

/** With SOURCE_DATE_EPOCH the same for the same lock: npm gives each its time and a random number. */
function reproducible({ serialNumber, ...bill }) {
  const epoch = process.env.SOURCE_DATE_EPOCH;
  if (!epoch) return { serialNumber, ...bill };
  return { ...bill, metadata: { ...bill.metadata, timestamp: new Date(Number(epoch) * 1000).toISOString() } };
}

/**
 * A folder with the manifest and the lock of a deployment. `npm sbom --omit dev` on ours leaves out what a package for
 * development needs as well, rxjs among them.
 */
function productionOnly() {
  const folder = path.join(mkdtempSync(path.join(tmpdir(), 'kask-release-')), manifest.name);
  process.once('exit', () => rmSync(path.dirname(folder), { recursive: true }));
  mkdirSync(folder);
  cpSync(path.join(root, '.npmrc'), path.join(folder, '.npmrc'));
  const packages = { '': { ...lock.packages[''] }, ...Object.fromEntries(productionPackages()) };
  delete packages[''].devDependencies;
  writeFileSync(path.join(folder, 'package-lock.json'), JSON.stringify({ ...lock, packages }));
  writeFileSync(
    path.join(folder, 'package.json'),
    JSON.stringify({ ...manifest, devDependencies: undefined }),
  );
  return folder;
}

function productionPackages() {
  return Object.entries(lock.packages).filter(([place, { dev }]) => place !== '' && !dev);
}

function entry(name, version, integrity) {
  return `${name}@${version} ${integrity}`;
}

function sha512Of(hashes) {
  const { content = '' } = hashes?.find(({ alg }) => alg === 'SHA-512') ?? {};
  return `sha512-${Buffer.from(content, 'hex').toString('base64')}`;
}

function npm(args, cwd) {
  const { status, stdout, stderr } = spawnSync('npm', [...args, '--json'], { cwd, encoding: 'utf8' });
  const answer = parsed(stdout ?? '');
  const said = answer?.error?.summary || answer?.message || stderr || 'npm gave no answer';
  return { status, answer, why: String(said).trim().split('\n')[0] };
}

function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function readJson(name) {
  return JSON.parse(readFileSync(path.join(root, name), 'utf8'));
}
