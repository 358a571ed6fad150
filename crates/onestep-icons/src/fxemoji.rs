//! Classes of FxEmoji, whose package has neither code points nor the groups of Unicode.

use crate::Class;

/// The class of a drawing of this name: what the table says, or else what its own category comes closest to.
///
/// # Source
///
/// Most names of the table are those of the same character in the other packages, or its name in Unicode, and have the group of that
/// character; the others were placed by looking at what is drawn.
pub(crate) fn class(name: &str, category: &str) -> Option<Class> {
    let listed = ELSEWHERE.iter().find(|(_, names)| names.split_whitespace().any(|each| each == name));
    listed.map(|&(class, _)| class).or(match category {
        "Flags" => Some(Class::Flags),
        "Nature" => Some(Class::AnimalsAndNature),
        "Objects" => Some(Class::Objects),
        "People" => Some(Class::PeopleAndBody),
        "Places" => Some(Class::TravelAndPlaces),
        "Symbols" => Some(Class::Symbols),
        _ => None,
    })
}

/// Drawings that belong elsewhere than their category says.
const ELSEWHERE: [(Class, &str); 9] = [
    (
        Class::SmileysAndEmotion,
        "2hearts alien alienmonster anger angry anguish astonished beating-heart blackmissingsmiley \
         blackskullcrossbones brokenheart coldsweat collision confounded confused crying dash devilhorns \
         disappointed dissapointedrelief dizzy dizzyface expressionless fearful flushed foxcrying foxgrin \
         foxheart foxkissing foxpouting foxsmiling foxtearofjoy foxweary foxwry frownmouth ghost \
         grimacing grin grineyes grinsquint grinsweat grintears grinwide grinwideeyes growingheart halo \
         heartarrow heartblue heartdecoration hearteyes heartgreen heartlefttip heartpurple heartribbon \
         heartyellow hole hundredpointssymbol hushed imp japaneseangrymask kiss kissclosedeyes kisseyes \
         kissing kissmark leftangerbubble leftspeechbubble leftthoughtbubble lightningmood \
         lightningmoodbubble loudlycrying loveletter medicalmask monkeyhear monkeysee monkeyspeak \
         moodbubble neutral nomouth ogre openmouth pensive perservere poo pouting redheart relieved \
         revolvinghearts rightangerbubble rightspeechbubble rightthoughtbubble screamfear skull sleeping \
         sleepy smallfrown smallsmile smileeyes smiletongue smirk sparklingheart speechbubble sunglasses \
         sweat sweatsplash thoughtbaloon threespeechbubbles tired tongueout tongueoutwink tongueoutwink2 \
         triumph twospeechbubbles unamused weary whitesmilingface winking worried zzz",
    ),
    (
        Class::PeopleAndBody,
        "bath bicyclist fatherchristmas golfer horseracing leftwritinghand maninbusinesssuitlevitating \
         rowboat sleuthspy snowboarder speakingheadinsilhouette surfer swimming weightlifter",
    ),
    (Class::AnimalsAndNature, "whiteflower"),
    (
        Class::FoodAndDrink,
        "aubergine babybottle banana beermug bentobox birthdaycake bread candy cherries chilipepper \
         chocolatebar clinkingbeermugs cocktailglass cookedrice cookie cooking curryandrice custard dango \
         doughnut earofmaize fishcakeswirl forkandknife forkknife frenchfries friedshrimp grapes \
         greenapple hamburger hocho honeypot hotbeverage icecream lemon lollipop meatonbone melon oden \
         peach pear pineapple potoffood poultryleg redapple riceball ricecracker roastedsweetpotato \
         sakebottleandcup shavedice shortcake sliceofpizza softicecream spaghetti steamingbowl strawberry \
         sushi tangerine teacupwithouthandle tomato tropicaldrink watermelon wineglass",
    ),
    (
        Class::TravelAndPlaces,
        "alarmclock americasglobe asiaaustraliaglobe bolt clock12oclock clock12thirty clock1oclock \
         clock1thirty clock2oclock clock2thirty clock3oclock clock3thirty clock4oclock clock4thirty \
         clock5thirty clock6oclock clock6thirty clock7oclock cloud crescentmoon cyclone droplet \
         europeafricaglobe fire firstquartermoon firstquartermoonface fog foggy fullmoon fullmoonwithface \
         hourglass hourglassflowingsand lastquartermoon lastquartermoonface manltepiececlock \
         meridianglobe milkyway newmoon newmoonwithface rainbow raincloud shootingstar snowcloud \
         snowflake snowmanwithoutsnow star stormcloud sunbehindcloud sunraincloud sunrays sunwithface \
         thermometer tornado umbrella umbrellawithraindrops volcano waningbibbousmoon waningcrescentmoon \
         watch wave waxingcrescentmoon waxinggibbousmoon whitemediumstar whitestar whitesun \
         whitesunbehindcloud whitesunsmallcloud worldmap",
    ),
    (
        Class::Activities,
        "admissiontickets americanfootball artistpalette balloon baseball basketballandhoop billiards \
         blackclubsuit blackdiamondsuit blackheartsuit blackspadesuit bow bowling carpstreamer \
         christmastree confetti crystalball directhit fireworks fireworksparkler fishingpoleandfish \
         flaginhole flowerplayingcards framewithpicture framewithtiles gamedie jackolantern japanesedolls \
         mahjong militarymedal moonviewingceremony partypopper performingarts pinedecoration pistol \
         playingcardblackjoker present reminder rugbyfootball runningshirt skiandskiboot slotmachine \
         soccerball sparkles sportsmedal tanabatatree tennisball ticket trophy videogame windchime",
    ),
    (
        Class::Objects,
        "bikini boot briefcase chartupwardstrendyen compression crown dress gem glasses handbag heels \
         izakayalantern jeans kimono lefthandphone linksymbol lipstick makeupbag mansshirt mensrunner \
         mensshoe moyai oldkey phonewithpage pinkwallet righthandphone rightspeaker \
         rightspeaker3soundwaves ring roundpushpin sandals speakerwith1soundwave tophat window womanshat \
         womansshirt",
    ),
    (
        Class::Symbols,
        "ballotboldscriptx ballotboxboldcheck ballotboxwithboldscriptx ballottboxwithscriptx \
         ballottscriptx celticcross heavylatincross highbrightness japanesesymbolforbeginner \
         lowbrightness namebadge regionalindicatorb regionalindicatorc regionalindicatore \
         regionalindicatorf regionalindicatorg regionalindicatori regionalindicatorj regionalindicatork \
         regionalindicatorn regionalindicatorp regionalindicatorr regionalindicators regionalindicatort \
         regionalindicatoru warningsign whitelatincross",
    ),
    (Class::Flags, "blackpennant blackwaving crossedflags triangularflagonpost whitepennant"),
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn a_name_is_listed_once_and_all_classes_have_some() {
        let names = ELSEWHERE.iter().flat_map(|(_, names)| names.split_whitespace());
        let n = names.clone().count();
        assert_eq!(names.collect::<BTreeSet<_>>().len(), n);
        assert_eq!(ELSEWHERE.map(|(class, _)| class), Class::ALL);
    }

    #[test]
    fn the_table_is_asked_before_the_category() {
        assert_eq!(class("banana", "Objects"), Some(Class::FoodAndDrink));
        assert_eq!(class("foxgrin", "People"), Some(Class::SmileysAndEmotion));
        assert_eq!(class("hammer", "Objects"), Some(Class::Objects));
        assert_eq!(class("hammer", "Tools"), None);
    }
}
