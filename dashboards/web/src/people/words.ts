// Words of the pages for those who run the house: the keys `house.*`.
import { t, type Key } from "../i18n";
import type { Params } from "../types";

type Without<T> = T extends `house.${infer K}` ? K : never;
export type HouseKey = Without<Key>;

export const h = (key: HouseKey, params: Params = {}): string => t(`house.${key}` as Key, params);
