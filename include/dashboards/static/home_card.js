// The card on Airflow's home page: the champion, its error, the last retraining. Airflow hands over React and Chakra.
const here = new URL(".", import.meta.url);
const home = new URL("../", here);

globalThis["Champion"] = function Champion() {
  const { createElement: make, useEffect, useState } = globalThis.React;
  const { Box, HStack, Text } = globalThis.ChakraUI;
  const { Link } = globalThis.ReactRouterDOM;
  const [summary, setSummary] = useState(null);

  useEffect(() => {
    fetch(new URL("summary", home))
      .then((answer) => (answer.ok ? answer.json() : null))
      .then(setSummary, () => setSummary(null));
  }, []);

  if (!summary) return null;
  const fact = (fact) =>
    make(
      Box,
      { key: fact.label },
      make(Text, { color: "fg.muted", fontSize: "xs" }, fact.label),
      make(Text, { fontWeight: "bold" }, fact.value),
      make(Text, { color: "fg.muted", fontSize: "xs" }, fact.detail),
    );
  return make(
    Box,
    { borderRadius: "lg", borderWidth: 1, "data-testid": "champion-card", mb: 4, px: 4, py: 3 },
    make(
      HStack,
      { alignItems: "flex-start", flexWrap: "wrap", gap: 8 },
      ...summary.facts.map(fact),
      make(
        Box,
        { alignSelf: "center", ml: "auto" },
        make(Link, { to: "/plugin/mltrain_overview" }, make(Text, { color: "fg.info" }, "All models")),
      ),
    ),
  );
};
