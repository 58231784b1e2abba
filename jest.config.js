// Jest 30 runs our sources as CommonJS: its ESM mode cannot load @willsoto/nestjs-prometheus (CommonJS that
// requires the ESM-only Nest 12). End-to-end tests drive the built service as a process, so they see real ESM.
const esmOnly = [
  '@nestjs',
  'nestjs-pino',
  'file-type',
  'strtok3',
  'token-types',
  'uint8array-extras',
  '@tokenizer',
  '@borewit',
  'iterare',
  'cookie',
];

const shared = {
  // The benchmark is compiled into it, package.json and all.
  modulePathIgnorePatterns: ['<rootDir>/.cache/'],
  testEnvironment: 'node',
  transform: {
    '^.+\\.[jt]s$': [
      '@swc/jest',
      {
        jsc: {
          target: 'es2022',
          parser: { syntax: 'typescript', decorators: true },
          transform: { legacyDecorator: true, decoratorMetadata: true, useDefineForClassFields: false },
        },
        module: { type: 'commonjs' },
      },
    ],
  },
  transformIgnorePatterns: [`/node_modules/(?!(${esmOnly.join('|')})/)`],
  moduleNameMapper: {
    '^(\\.{1,2}/.*)\\.js$': '$1',
    '^kask-client$': '<rootDir>/clients/typescript/src/kask-client.ts',
  },
};

// One Cassandra node serves the whole run; unit tests alone start none.
const onCluster = {
  ...shared,
  globalSetup: '<rootDir>/test/harness/global-setup.ts',
  globalTeardown: '<rootDir>/test/harness/global-teardown.ts',
  setupFilesAfterEnv: ['<rootDir>/test/harness/leave-nothing-running.ts'],
};

export default {
  // Two cores are shared with Cassandra: one suite at a time keeps timings honest.
  maxWorkers: 1,
  // A bound for what hangs, not for what is slow.
  testTimeout: 60_000,
  projects: [
    {
      ...shared,
      displayName: 'unit',
      testMatch: ['src', 'bench', 'ops', 'test/faults', 'test/judge'].map(
        (folder) => `<rootDir>/${folder}/**/*.spec.ts`,
      ),
    },
    { ...onCluster, displayName: 'contract', testMatch: ['<rootDir>/test/contract/**/*.spec.ts'] },
    { ...onCluster, displayName: 'e2e', testMatch: ['<rootDir>/test/e2e/**/*.e2e-spec.ts'] },
  ],
};
