// The design system. Pages import from here; /styleguide shows every part.
export * from "./basics";
export * from "./dialog";
export * from "./form";
export * from "./frame";
export * from "./load";
export * from "./notice";
export * from "./states";
export * from "./switches";
export * from "./table";
export * from "./tabs";
export { elder, theme } from "./prefs";
