// Light or dark: Airflow's choice where the page stands inside Airflow, else the browser's.

function outside() {
  try {
    return parent !== window ? parent.document.documentElement : null;
  } catch {
    return null; // framed by another origin
  }
}

// Airflow's own tabs around the page already say where it is.
export function isTab() {
  try {
    return parent !== window && /\/dags\//.test(parent.location.pathname);
  } catch {
    return false;
  }
}

export function currentTheme() {
  const root = outside();
  if (root?.classList.contains("dark")) return "dark";
  if (root?.classList.contains("light")) return "light";
  return matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light";
}

export function followTheme(onChange) {
  const apply = () => {
    const theme = currentTheme();
    if (document.documentElement.className !== theme) {
      document.documentElement.className = theme;
      onChange(theme);
    }
  };
  document.documentElement.className = currentTheme();
  const root = outside();
  if (root) new MutationObserver(apply).observe(root, { attributes: true, attributeFilter: ["class"] });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", apply);
}
