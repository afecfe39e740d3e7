// What a chart shows, in words and as a table, for people who do not see it.

const TEXT_LENGTH = 600;
const MOST_ROWS = 2000;

const plain = (text) => String(text ?? "").replaceAll("\n", " ");

function spell(value) {
  if (typeof value === "number") return Number.isInteger(value) ? String(value) : String(Number(value.toPrecision(4)));
  const text = plain(value);
  return /^\d{4}-\d\d-\d\dT/.test(text) ? text.slice(0, 16).replace("T", " ") : text;
}

// A trace as columns: names and lists of equal length.
function columnsOf(trace, layout) {
  if (trace.type === "parcoords") {
    return trace.dimensions.map((dimension) => [dimension.label, named(dimension)]);
  }
  if (trace.type === "pie") return [["part", trace.labels], ["value", trace.values]];
  const [x, y] = [layout.xaxis?.title?.text, layout.yaxis?.title?.text];
  if (trace.type === "heatmap") {
    const cells = trace.y.flatMap((row) => trace.x.map((column) => `${row}, ${column}`));
    return [[`${plain(y)}, ${plain(x)}`, cells], ["rows", trace.text.flat()], [plain(trace.colorbar.title.text), trace.z.flat()]];
  }
  const rows = Array.isArray(trace.y?.[0]) ? trace.y[0].map((_, at) => trace.y.map((level) => level[at]).join(", ")) : trace.y;
  const columns = [[plain(x) || "x", trace.x], [plain(y) || "y", rows]];
  if (trace.type === "waterfall") columns.push(["label", trace.text]);
  // With lying bars, what they are of comes first.
  return trace.orientation === "h" ? columns.reverse() : columns;
}

// An axis of parallel coordinates may hold places of names.
function named({ values, tickvals, ticktext }) {
  if (!ticktext || !ticktext.some((text) => Number.isNaN(Number(text)))) {
    return ticktext ? values.map((value) => spell(10 ** value)) : values;
  }
  return values.map((value) => ticktext[tickvals.indexOf(value)] ?? value);
}

const shown = (figure) =>
  figure.data.filter((trace) => trace.type === "parcoords" || trace.type === "pie" || (trace.x?.length && trace.x[0] !== null));

export function tabulate(figure) {
  const traces = shown(figure);
  const several = traces.length > 1;
  let heads = [];
  const rows = [];
  for (const trace of traces) {
    const columns = columnsOf(trace, figure.layout);
    heads = columns.map(([name]) => name);
    for (let at = 0; at < columns[0][1].length && rows.length < MOST_ROWS; at++) {
      const row = columns.map(([, values]) => spell(values?.[at]));
      rows.push(several ? [plain(trace.name), ...row] : row);
    }
  }
  return { columns: several ? ["series", ...heads] : heads, rows };
}

export function summarize(title, figure) {
  const parts = shown(figure).map((trace) => {
    const columns = columnsOf(trace, figure.layout);
    const numeric = columns.filter(([, values]) => values?.length && values.every((value) => value === null || typeof value === "number"));
    const [name, values] = numeric.at(-1) ?? columns.at(-1);
    const known = (values ?? []).filter((value) => typeof value === "number");
    const label = trace.name ? `${plain(trace.name)}: ` : "";
    if (!known.length) return `${label}${columns[0][1]?.length ?? 0} points`;
    const other = columns.find(([each]) => each !== name)?.[1];
    if (known.length <= 8 && other) {
      return label + values.map((value, at) => `${spell(other[at])} ${spell(value)}`).join(", ");
    }
    const [low, high] = [Math.min(...known), Math.max(...known)];
    return `${label}${known.length} points, ${spell(low)} to ${spell(high)}, last ${spell(known.at(-1))}`;
  });
  const axes = [figure.layout.xaxis?.title?.text, figure.layout.yaxis?.title?.text].filter(Boolean).map(plain);
  const text = `${title}. ${axes.length ? `Axes: ${axes.join("; ")}. ` : ""}${parts.join("; ")}`;
  return text.length > TEXT_LENGTH ? `${text.slice(0, TEXT_LENGTH)} ... See the table for the rest.` : text;
}

// Plotly draws into several pictures; the first one speaks for all.
export function label(plot, text) {
  plot.querySelectorAll("svg.main-svg").forEach((svg, at) => {
    if (at) return svg.setAttribute("aria-hidden", "true");
    svg.setAttribute("role", "img");
    svg.setAttribute("aria-label", text);
  });
}
