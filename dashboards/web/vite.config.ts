import { defineConfig } from "vite";

// No framework plug-in: the compiler itself turns JSX into Preact calls. Nothing is inlined, so that the page needs no inline script or style.
export default defineConfig({
  base: "/",
  oxc: { jsx: { runtime: "automatic", importSource: "preact" } },
  worker: { format: "es" },
  build: { outDir: "../static", emptyOutDir: true, assetsInlineLimit: 0, modulePreload: { polyfill: false }, target: "es2022" },
});
