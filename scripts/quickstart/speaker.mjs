// One clip of the quickstart as sound: flite's voice at the clip's speed and pitch, after its leading silence.
import { openFlite } from './flite.mjs';
import { prependSilence } from './wav.mjs';

// Mean fundamental frequency in Hz of the voices whose pitch flite lets us set; it ignores the setting for rms.
const meanPitch = { slt: 170, awb: 120, kal16: 105 };

/**
 * @param {WebAssembly.Module} module of `compileFlite`
 * @returns {Promise<(clip: import('./sets.mjs').Clip) => Uint8Array>} a clip to the bytes of its WAV file
 */
export async function openSpeaker(module) {
  const synthesise = await openFlite(module);
  return function speak(clip) {
    const settings = { duration_stretch: clip.stretch };
    const pitch = meanPitch[clip.voice];
    if (pitch) settings.int_f0_target_mean = (pitch * clip.pitch).toFixed(1);
    return prependSilence(synthesise(clip.voice, clip.text, settings), clip.lead);
  };
}
