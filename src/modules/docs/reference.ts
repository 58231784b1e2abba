import type { ApiDescription, Operation, OperationGroup, Parameter, Response } from './api-description.js';
import { html, type Html, prose, withCode } from './html.js';

/** The part of the page that tells what can be asked. */
export function reference({ groups, commonHeaders, description }: ApiDescription): Html {
  return html`
    <section class="reference" aria-labelledby="reference">
      <h2 id="reference">Reference</h2>
      <div class="prose">
        ${prose(description)}
        ${commonHeaders.length > 0 ? html`<p>Every answer has ${codes(commonHeaders)}.</p>` : ''}
      </div>
      ${groups.map(groupOf)}
    </section>
  `;
}

function groupOf({ name, description, operations }: OperationGroup, index: number): Html {
  return html`
    <section class="group" aria-labelledby="group-${index}">
      <h3 id="group-${index}">${name || 'other'}</h3>
      ${prose(description)} ${operations.map(operationOf)}
    </section>
  `;
}

function operationOf(operation: Operation): Html {
  const { method, path, summary, description, parameters, body, responses } = operation;
  return html`
    <details class="operation">
      <summary>
        <span class="method method-${method.toLowerCase()}">${method}</span>
        <code class="path">${path}</code>
        <span class="what">${summary}</span>
      </summary>
      <div class="operation-body">
        ${prose(description)} ${parameters.length > 0 ? parametersOf(parameters) : ''}
        ${body ? html`<h4>Body</h4>` : ''} ${prose(body)}
        ${responses.length > 0 ? responsesOf(responses) : ''}
      </div>
    </details>
  `;
}

function parametersOf(parameters: Parameter[]): Html {
  return html`
    <h4>Parameters</h4>
    <dl>
      ${parameters.map(
        ({ name, place, isRequired, description }) => html`
          <dt><code>${name}</code> <small>${place}${isRequired ? ', required' : ''}</small></dt>
          <dd>${withCode(description)}</dd>
        `,
      )}
    </dl>
  `;
}

function responsesOf(responses: Response[]): Html {
  return html`
    <h4>Responses</h4>
    <dl>
      ${responses.map(
        ({ status, description, mediaTypes, headers }) => html`
          <dt><code>${status}</code></dt>
          <dd>${withCode(description)} <small>${codes([...mediaTypes, ...headers])}</small></dd>
        `,
      )}
    </dl>
  `;
}

function codes(names: string[]): Html[] {
  return names.map((name, index) => html`${index > 0 ? ', ' : ''}<code>${name}</code>`);
}
