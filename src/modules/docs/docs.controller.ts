import { readFileSync } from 'node:fs';
import { Controller, Get, Header } from '@nestjs/common';
import { Settings } from '../../config/settings.js';
import { OpenapiDocument } from '../openapi/openapi.module.js';
import { type ApiDescription, readApiDescription } from './api-description.js';
import { CONTENT_SECURITY_POLICY, page } from './markup.js';
import { ServiceState, type State } from './service-state.js';

/** A page to try the service on. */
@Controller('docs')
export class DocsController {
  private readonly markup: string;
  private readonly style = asset('page.css');
  private readonly script = asset('page.js');

  constructor(
    private readonly state: ServiceState,
    { text }: OpenapiDocument,
    { base_uri }: Settings,
  ) {
    this.markup = page(descriptionOf(text), base_uri);
  }

  @Get()
  @Header('Content-Type', 'text/html; charset=utf-8')
  @Header('Content-Security-Policy', CONTENT_SECURITY_POLICY)
  @Header('Referrer-Policy', 'no-referrer')
  showPage(): string {
    return this.markup;
  }

  @Get('page.css')
  @Header('Content-Type', 'text/css; charset=utf-8')
  showStyle(): string {
    return this.style;
  }

  @Get('page.js')
  @Header('Content-Type', 'text/javascript; charset=utf-8')
  showScript(): string {
    return this.script;
  }

  @Get('state')
  showState(): State {
    return this.state.now();
  }
}

function descriptionOf(document: string): ApiDescription | Error {
  try {
    return readApiDescription(document);
  } catch (error) {
    return error as Error;
  }
}

function asset(name: string): string {
  return readFileSync(new URL(name, import.meta.url), 'utf8');
}
